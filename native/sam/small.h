#pragma once
#include <ATen/core/Tensor.h>

#include <optional>

// Loops for tensors that are so small that finding LibTorch's kernel takes longer than running it: biases, norm layers, narrow
// linear layers. For others the functions do nothing and say so.
namespace steppe::sam::small {

// Σ x², accumulated in float64.
std::optional<double> square_sum(const at::Tensor& x);
// out ← w + a·d
bool add(at::Tensor& out, const at::Tensor& w, const at::Tensor& d, double a);

}  // namespace steppe::sam::small
