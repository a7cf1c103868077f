#pragma once
#include <cstdint>

// Convolutions with windows of 3 × 3 by Winograd's minimal filtering F(2×2, 3×3): four pixels of the output from 16 products of a
// channel in and one out, where the convolution as it is written takes 36. A. Lavin and S. Gray, Fast Algorithms for Convolutional
// Neural Networks, CVPR 2016, section 4.1. The two gradients are convolutions and the transpose of the same algorithm, with as many
// products. An output is computed from its own window's numbers alone, but from their sums and differences: an infinite one among them
// makes it NaN more often than infinite. Stride and dilation 1, one group, float32, channels last; on processors with AVX-512.
namespace steppe::winograd {

struct Shape {
  int64_t n, height, width, channels;  // of the input; channels a multiple of kLanes
  int64_t out;                         // channels of the output, likewise
  int64_t top, left;                   // rows and columns of zeros, on either side
  int64_t out_height() const { return height + 2 * top - 2; }
  int64_t out_width() const { return width + 2 * left - 2; }
  int64_t tiles() const { return n * ((out_height() + 1) / 2) * ((out_width() + 1) / 2); }
};

// y ← x * w (+ bias, which may be null). x is [n, height, width, channels], y [n, out height, out width, out], w [out, 3, 3, channels].
// `turned`: with w turned by 180°, w [channels, 3, 3, out], which is what makes an input's gradient.
void convolve(const Shape& shape, const float* x, const float* w, bool turned, const float* bias, float* y);
// dw ← dL/dw from dy, [out, 3, 3, channels].
void weight_gradient(const Shape& shape, const float* x, const float* dy, float* dw);

}  // namespace steppe::winograd
