#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

namespace steppe {

// Tensors of a step, without the way through the dispatcher, which takes as long as many a kernel. They take over the objects of those that `retire`
// has let go of on the same thread, where there are some: else a tensor is four allocations, and a step makes a hundred of them.

// What at::empty gives on the CPU.
at::Tensor new_tensor(at::IntArrayRef sizes, at::ScalarType dtype = at::kFloat);
// With the channels last in memory. `sizes`: [n, channels, height, width].
at::Tensor new_image(at::IntArrayRef sizes, at::ScalarType dtype = at::kFloat);
// What at::empty_strided gives on the CPU.
at::Tensor new_strided(at::IntArrayRef sizes, at::IntArrayRef strides, at::ScalarType dtype);
// What every view operator of LibTorch does in the end, on any device. `offset`: elements from the beginning of x.
at::Tensor view_of(const at::Tensor& x, at::IntArrayRef sizes, at::IntArrayRef strides, int64_t offset);

// Lets go of x: its memory is free at once where nobody else holds it.
void retire(at::Tensor& x);
inline void retire(std::vector<at::Tensor>& all) {
  for (auto& x : all) retire(x);
}

// Nobody else holds it, and nobody looks at its memory through another tensor.
inline bool is_sole(const at::Tensor& x) { return x.use_count() == 1 && x.has_storage() && x.storage().use_count() == 1; }

}  // namespace steppe
