#pragma once
#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>

namespace steppe {

// What at::empty gives on the CPU, without the way through the dispatcher, which takes as long as many a kernel.
inline at::Tensor new_tensor(at::IntArrayRef sizes, at::ScalarType dtype = at::kFloat) { return at::Tensor(at::detail::empty_cpu(sizes, dtype)); }
// With the channels last in memory.
inline at::Tensor new_image(at::IntArrayRef sizes, at::ScalarType dtype = at::kFloat) {
  return at::Tensor(at::detail::empty_cpu(sizes, dtype, /*pin_memory=*/false, at::MemoryFormat::ChannelsLast));
}

}  // namespace steppe
