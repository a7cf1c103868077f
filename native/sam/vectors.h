#pragma once
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace steppe::sam {

using Tensors = std::vector<at::Tensor>;

// Vectors in the space of all parameters: one tensor per parameter. An undefined one counts as zero.

// √Σ‖x_k‖², each norm accumulated in at least float32 and their squares in float64.
double norm(const Tensors& x);
// ‖x‖, and the value of a tensor of one element, which comes along.
std::pair<double, double> norm_with(const Tensors& x, const at::Tensor& value);
// Each tensor's own.
std::vector<double> norms(const Tensors& x);
// The values of tensors of one element. Those on a device come in one transfer: every transfer waits until the device has done
// all that was asked of it.
std::vector<double> values(const Tensors& scalars);
// The fused kernels walk parameter and gradient side by side in memory: both must be laid out alike.
void lay_out_like(Tensors& gradients, const Tensors& parameters);
// One, as a parameter that lies so.
void lay_out(at::Tensor& gradient, at::IntArrayRef sizes, at::IntArrayRef strides, at::ScalarType dtype);
// A new tensor that lies in memory as x does.
at::Tensor new_like(const at::Tensor& x);
// x itself where nobody else holds it, else a new tensor that lies as it does: for what is written where it was read.
at::Tensor in_place_of(const at::Tensor& x);
// to ← from, tensor by tensor.
void copy(const Tensors& to, const Tensors& from);
// ⟨x, y⟩
double dot(const Tensors& x, const Tensors& y);
inline bool any_defined(const Tensors& x) {
  return std::any_of(x.begin(), x.end(), [](const auto& each) { return each.defined(); });
}
// x where g is defined.
Tensors where_defined(Tensors x, const Tensors& g);
// x + a·y. Here and below the sum may take the place of an x that nobody else holds.
Tensors add(Tensors x, const Tensors& y, double a);
// a·x
Tensors scaled(Tensors x, double a);
// b·x + a·y, also with factors of each tensor's own
Tensors combination(double b, Tensors x, double a, const Tensors& y);
Tensors combination(const std::vector<double>& b, Tensors x, const std::vector<double>& a, const Tensors& y);
// x ← x + a·y, with factors of each tensor's own
void add_to(const Tensors& x, const std::vector<double>& a, const Tensors& y);
// to ← x + a·y
void add_into(at::Tensor& to, const at::Tensor& x, const at::Tensor& y, double a);
// float16 and bfloat16: norms and products of numbers are taken in float32.
bool is_narrow(const at::Tensor& x);
// In float32 where x is narrow; else x itself.
at::Tensor widened(const at::Tensor& x);
// The relative rounding error of x's dtype, of several the coarsest.
double rounding(const Tensors& x);
// 1/x, and 0 for 0: n(v) is inverse(‖v‖)·v.
inline double inverse(double x) { return x == 0 ? 0 : 1 / x; }

}  // namespace steppe::sam
