#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

// Products of a few rows with one matrix, again and again, as a recurrent layer takes them at each time step: the matrix is brought into
// panels once, and a block of results stands in registers. For so few rows a call of a matrix library's costs about as much as the
// product. On processors with AVX-512.
namespace steppe::row_product {

constexpr int64_t kLanes = 16;  // floats: a register of AVX-512

// W [in, out] of float32, in panels of up to 64 columns. out is a multiple of kLanes.
class Matrix {
 public:
  explicit Matrix(const at::Tensor& w);
  // y ← x W, or y + x W. Rows follow each other: x [rows, in], y [rows, out]. Each row's numbers do not depend on the others.
  void multiply(int64_t rows, const float* x, float* y, bool adds) const;

 private:
  int64_t in_, out_;
  at::Tensor panels_;
};

}  // namespace steppe::row_product
