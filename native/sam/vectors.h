#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

namespace steppe::sam {

using Tensors = std::vector<at::Tensor>;

// Vectors in the space of all parameters: one tensor per parameter. An undefined one counts as zero.

// √Σ‖x_k‖², each norm accumulated in at least float32 and their squares in float64.
double norm(const Tensors& x);
double norm(const at::Tensor& x);
// ⟨x, y⟩
double dot(const Tensors& x, const Tensors& y);
// x + a·y
Tensors add(const Tensors& x, const Tensors& y, double a);
// a·x
Tensors scaled(const Tensors& x, double a);
// The relative rounding error of x's dtype, of several the coarsest.
double rounding(const Tensors& x);
// 1/x, and 0 for 0: n(v) is inverse(‖v‖)·v.
inline double inverse(double x) { return x == 0 ? 0 : 1 / x; }

}  // namespace steppe::sam
