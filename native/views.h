#pragma once
#include <ATen/core/Tensor.h>

namespace steppe {

// What every view operator of LibTorch does in the end, without the way there. `offset`: elements from the beginning of x.
inline at::Tensor view_of(const at::Tensor& x, at::IntArrayRef sizes, at::IntArrayRef strides, int64_t offset) {
  auto result = at::detail::make_tensor<c10::TensorImpl>(c10::TensorImpl::VIEW, c10::Storage(x.storage()), x.key_set(), x.dtype());
  result.unsafeGetTensorImpl()->set_sizes_and_strides(sizes, strides, x.storage_offset() + offset);
  return result;
}

// Nobody else holds it, and nobody looks at its memory through another tensor.
inline bool is_sole(const at::Tensor& x) { return x.use_count() == 1 && x.has_storage() && x.storage().use_count() == 1; }

}  // namespace steppe
