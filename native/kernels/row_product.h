#pragma once
#include <cstdint>

#include "lanes.h"

// Products of a few rows with one matrix, again and again, as a recurrent layer takes them at each time step: a block of results stands in
// registers. For so few rows a call of a matrix library's costs about as much as the product. On processors with AVX-512.
namespace steppe::row_product {

// Rows of a matrix, each of numbers that follow each other; `step` from one row to the next.
template <class T>
struct Rows {
  T* data;
  int64_t step;
};

// y ← x W, or y + x W, with W [in, out]; out is a multiple of kLanes. Each row's numbers do not depend on the others.
void multiply(int64_t rows, int64_t in, int64_t out, Rows<const float> x, Rows<const float> w, Rows<float> y, bool adds);
// y ← xᵀ W, or y + xᵀ W, with x [in, rows].
void multiply_transposed(int64_t rows, int64_t in, int64_t out, Rows<const float> x, Rows<const float> w, Rows<float> y, bool adds);
// to [columns, rows] ← from [rows, columns]; rows is a multiple of kLanes.
void transpose(int64_t rows, int64_t columns, Rows<const float> from, Rows<float> to);

}  // namespace steppe::row_product
