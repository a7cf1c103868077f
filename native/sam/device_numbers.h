#pragma once
#include "vectors.h"

// Vectors in the space of all parameters whose numbers stay where they are: tensors of no dimensions in float64. vectors.h has the
// same with numbers on the CPU.
namespace steppe::sam::there {

// Numbers that change from step to step, always in the same place.
struct Numbers {
  Tensors there;
  std::vector<double> held;
  void set(size_t i, double value, at::Device device);
};
// A number, on x's device.
at::Tensor number(double value, const at::Tensor& like);
// √Σ‖x_k‖².
at::Tensor norm(const Tensors& x, const at::Tensor& like);
// ⟨x, y⟩
at::Tensor dot(const Tensors& x, const Tensors& y, const at::Tensor& like);
// 1/x, and 0 for 0.
at::Tensor inverse(const at::Tensor& x);
// a·x of one tensor; x + a·y and a·x of all: in float32 where x is of half precision, for which a may be too large or too exact.
at::Tensor times(const at::Tensor& x, const at::Tensor& a);
Tensors add(const Tensors& x, const Tensors& y, const at::Tensor& a);
Tensors scaled(const Tensors& x, const at::Tensor& a);
// to ← from, but where `bad` (a boolean of no dimensions) to stays as it is.
void take_over(const at::Tensor& to, const at::Tensor& from, const at::Tensor& bad);

}  // namespace steppe::sam::there
