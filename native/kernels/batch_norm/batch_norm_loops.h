#pragma once
#include <cstddef>
#include <cstdint>

namespace steppe::batch_norm {

// The arithmetic of batch norm in training, with the ReLU and the max pooling that follow it, over images with the channels last:
// rows of `channels` floats, one a pixel. Channels come in eights. Sums go over pieces whose number depends on the rows alone, so
// that results do not depend on the number of threads.
constexpr int64_t kLanes = 8;

struct Rows {
  int64_t count, channels;
};

// Of images [n, height, width] into [n, out_height, out_width]: windows side by side; what is left over at the end counts nowhere.
struct Windows {
  int64_t n, height, width, out_height, out_width, kernel_height, kernel_width, channels;
};
constexpr int64_t kMaxWindow = 255;          // pixels
constexpr uint8_t kNowhere = kMaxWindow;     // place of a maximum that ReLU stopped

// By channel, x̂ = scale (x - mean) + shift; the backward's ReLU looks at the sign of it. The mean first: where it is far from 0,
// its product would cost digits.
struct Affine {
  const float *mean, *scale, *shift;
  bool relu;
};

// By channel, dL/dx = of_gradient dL/dx̂ + of_x (x - mean) + constant
struct Spread {
  const float *mean, *of_gradient, *of_x, *constant;
};

// By channel: the mean, and Σ (x - mean)².
void moments(Rows rows, const float* x, double* mean, double* squares);

void normalize(Rows rows, const float* x, Affine affine, float* y);
// y: maxima of the windows after ReLU; places: which pixel of its window each one is, or kNowhere where no gradient goes.
void normalize_and_pool(Windows windows, const float* x, Affine affine, float* y, uint8_t* places);

// By channel: Σ dL/dx̂, and Σ dL/dx̂ (x - mean).
void gradient_sums(Rows rows, const float* x, const float* dy, Affine affine, double* sum, double* dot);
void pooled_gradient_sums(Windows windows, const float* x, const float* dy, const uint8_t* places, const float* mean, double* sum, double* dot);

void spread_gradient(Rows rows, const float* x, const float* dy, Affine affine, Spread spread, float* dx);
void spread_pooled_gradient(Windows windows, const float* x, const float* dy, const uint8_t* places, Spread spread, float* dx);

}  // namespace steppe::batch_norm
