#pragma once
#include <cstdint>

// A convolution of few channels as it is written: each output pixel's channels stand in registers, and the window goes by. Nothing
// is gathered, nothing brought into another order but the weight, which is small, and an image with its border of zeros. Stride
// and dilation 1, one group, float32, channels last; on processors with AVX-512.
namespace steppe::direct_convolution {

struct Shape {
  int64_t n, height, width, channels;        // of the input
  int64_t out;                               // channels of the output, a multiple of kLanes
  int64_t window_height, window_width;
  int64_t top, left;                         // rows and columns of zeros, on either side
  int64_t out_height() const { return height + 2 * top - window_height + 1; }
  int64_t out_width() const { return width + 2 * left - window_width + 1; }
  int64_t window() const { return window_height * window_width * channels; }
};

// y ← x * w (+ bias, which may be null). x is [n, height, width, channels], w [window, out], y [n, out height, out width, out].
void convolve(const Shape& shape, const float* x, const float* w, const float* bias, float* y);
// dL/dw from dy, as w and y are, to the beginning of memory of so many floats.
int64_t gradient_floats(const Shape& shape);
void weight_gradient(const Shape& shape, const float* x, const float* dy, float* memory);

}  // namespace steppe::direct_convolution
