#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "loops/row_product.h"

// Products of large matrices, for processors with AVX-512 on which MKL is not at its best. Both are brought into the order in which the loops
// read them: W into panels of columns, of which a block of rows stays in a processor's own cache, x into strips of as many rows as registers
// hold sums of, where its rows do not lie one after the other anyway. (K. Goto, R. van de Geijn, Anatomy of High-Performance Matrix
// Multiplication, 2008)
namespace steppe::blocked_products {

// Whether that is worth the while.
bool suit(int64_t rows, int64_t in, int64_t out);

// x in strips: [rows, in], in the step's memory.
class Strips {
 public:
  // x's columns lie one after the other.
  Strips(int64_t rows, int64_t in, row_product::Strided x);
  int64_t rows() const { return rows_; }
  // Of `count` rows from `row` on, the first of a strip, from column k on.
  row_product::Strided at(int64_t row, int64_t count, int64_t k) const { return {data_ + row * in_ + k * count, 1, count}; }

 private:
  int64_t rows_, in_;
  at::Tensor memory_;
  const float* data_;
};
// y ← x[:, first : first + in] W, added to something; the rest as below.
void multiply(const Strips& x, int64_t first, int64_t in, int64_t out, row_product::Strided w, row_product::Rows<float> y, row_product::Onto onto);
// y ← x W, added to something; x [rows, in] and W [in, out] with elements that follow each other in rows or in columns. Results do not depend on the
// number of threads.
void multiply(int64_t rows, int64_t in, int64_t out, row_product::Strided x, row_product::Strided w, row_product::Rows<float> y, row_product::Onto onto);

}  // namespace steppe::blocked_products
