#pragma once
#include <ATen/core/Tensor.h>

#include <array>

#include "../../step_tensors.h"

namespace steppe {

// An image, or a weight, in memory: [n, height, width, channels].
struct Image {
  int64_t n, channels, height, width;
  static Image of(c10::IntArrayRef sizes) { return {sizes[0], sizes[1], sizes[2], sizes[3]}; }
  int64_t pixels() const { return height * width; }
};

struct Convolution {
  Image x, w, y;
  std::array<int64_t, 2> stride, padding, dilation;
  int64_t windows() const { return y.n * y.pixels(); }                   // rows of the product
  int64_t window() const { return w.channels * w.height * w.width; }     // elements of each
  // The windows are the pixels, one after the other.
  bool is_pointwise() const { return w.pixels() == 1 && stride == std::array<int64_t, 2>{1, 1} && padding == std::array<int64_t, 2>{0, 0}; }
};

inline at::Tensor empty_image(const Image& image) { return new_image({image.n, image.channels, image.height, image.width}); }

}  // namespace steppe
