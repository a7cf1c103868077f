#pragma once
#include <ATen/core/Tensor.h>

#include <optional>

namespace steppe {

// A tensor of two or three dimensions as rows of numbers that follow each other in memory, wherever the rows stand.
struct StridedRows {
  int64_t outer, inner, length;
  int64_t outer_step, inner_step;

  static std::optional<StridedRows> of(at::IntArrayRef sizes, at::IntArrayRef strides) {
    if (sizes.size() < 2 || sizes.size() > 3 || strides.back() != 1) return std::nullopt;
    if (sizes.size() == 2) return StridedRows{1, sizes[0], sizes[1], 0, strides[0]};
    return StridedRows{sizes[0], sizes[1], sizes[2], strides[0], strides[1]};
  }
  int64_t count() const { return outer * inner; }
  int64_t offset(int64_t i) const { return i / inner * outer_step + i % inner * inner_step; }
};

}  // namespace steppe
