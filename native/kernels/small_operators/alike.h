#pragma once
#include <algorithm>
#include <initializer_list>

#include "../../step_tensors.h"
#include "../layouts.h"

// What kernels need that go through all elements of tensors of one shape, whatever it is.
namespace steppe {

inline at::Tensor new_like(const at::Tensor& x) { return new_strided(x.sizes(), x.strides(), at::kFloat); }

// Whether all are float32 of one shape, whose elements follow each other in memory in the same order.
inline bool are_alike(std::initializer_list<const Program::Layout*> all) {
  const auto each = [&](const auto& is) {
    return std::ranges::all_of(all, [&](const auto* layout) { return layout != nullptr && layout->dtype == at::kFloat && layout->sizes == (*all.begin())->sizes && is(*layout); });
  };
  return *all.begin() != nullptr && (each(is_new_contiguous) || each(is_new_channels_last_image));
}

}  // namespace steppe
