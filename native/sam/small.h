#pragma once
#include <ATen/core/Tensor.h>

#include <optional>

// Loops on one core for tensors of up to 65,536 elements, of which LibTorch's kernel takes longer to find than these to run. For others
// the functions do nothing and say so.
namespace steppe::sam::small {

// Σ x², accumulated in float64.
std::optional<double> square_sum(const at::Tensor& x);
// out ← w + a·d
bool add(at::Tensor& out, const at::Tensor& w, const at::Tensor& d, double a);

}  // namespace steppe::sam::small
