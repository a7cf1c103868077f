#include "convolution_products.h"

#include <algorithm>
#include <cstring>

#include "../../step_tensors.h"
#include "../loops/parallel.h"
#include "../loops/processors.h"
#include "../products.h"

namespace steppe::convolution_products {
namespace {

// Windows of a few images at a time: so many bytes, if it is more than one image.
constexpr int64_t kWindowBytes = 16 << 20;

STEPPE_LOOPS_BEGIN

// to += from
STEPPE_FOR_ALL_PROCESSORS
void add_row(int64_t n, const float* __restrict__ from, float* __restrict__ to) {
  for (int64_t i = 0; i < n; i++) to[i] += from[i];
}

STEPPE_LOOPS_END

// Visits the pixels under the window of an output pixel, row by row of the window: use(first element in the window, elements, the
// first one's place in the image), or where the image ends, use(…, -1).
template <class Use>
void each_part(const Convolution& c, int64_t oy, int64_t ox, const Use& use) {
  const auto channels = c.x.channels;
  for (int64_t ky = 0; ky < c.w.height; ky++) {
    const auto y = oy * c.stride[0] - c.padding[0] + ky * c.dilation[0];
    const bool outside = y < 0 || y >= c.x.height;
    const auto left = ox * c.stride[1] - c.padding[1];
    const auto at = ky * c.w.width * channels;
    const bool whole = c.dilation[1] == 1 && left >= 0 && left + c.w.width <= c.x.width;
    if (outside || whole) {
      use(at, c.w.width * channels, outside ? -1 : (y * c.x.width + left) * channels);
      continue;
    }
    for (int64_t kx = 0; kx < c.w.width; kx++) {
      const auto x = left + kx * c.dilation[1];
      use(at + kx * channels, channels, x < 0 || x >= c.x.width ? -1 : (y * c.x.width + x) * channels);
    }
  }
}

// The windows of images [first, first + count), a row each.
void gather_windows(const Convolution& c, const float* x, int64_t first, int64_t count, float* rows) {
  const auto size = c.window(), image = c.x.pixels() * c.x.channels;
  parallel_for(0, count * c.y.height, 1, [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; line++) {
      const auto* from = x + (first + line / c.y.height) * image;
      for (int64_t ox = 0; ox < c.y.width; ox++) {
        auto* row = rows + (line * c.y.width + ox) * size;
        each_part(c, line % c.y.height, ox, [&](int64_t at, int64_t n, int64_t place) {
          if (place < 0) {
            std::memset(row + at, 0, static_cast<size_t>(n) * sizeof(float));
          } else {
            std::memcpy(row + at, from + place, static_cast<size_t>(n) * sizeof(float));
          }
        });
      }
    }
  });
}

// The transpose of it: adds the rows to the pixels that they came from.
void scatter_windows(const Convolution& c, const float* rows, int64_t first, int64_t count, float* x) {
  const auto size = c.window(), image = c.x.pixels() * c.x.channels;
  parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n++) {
      auto* to = x + (first + n) * image;
      for (int64_t pixel = 0; pixel < c.y.pixels(); pixel++) {
        const auto* row = rows + (n * c.y.pixels() + pixel) * size;
        each_part(c, pixel / c.y.width, pixel % c.y.width, [&](int64_t at, int64_t elements, int64_t place) {
          if (place >= 0) add_row(elements, row + at, to + place);
        });
      }
    }
  });
}

// Calls use(first image, count) for a few images at a time.
template <class Use>
void each_block(const Convolution& c, const Use& use) {
  const auto bytes = c.y.pixels() * c.window() * static_cast<int64_t>(sizeof(float));
  const auto step = std::clamp<int64_t>(kWindowBytes / std::max<int64_t>(bytes, 1), 1, c.y.n);
  for (int64_t first = 0; first < c.y.n; first += step) use(first, std::min(step, c.y.n - first));
}

// As [pixels, channels] and [channels out, window]: what lies in memory, row by row.
at::Tensor pixels_of(const at::Tensor& image) { return image.permute({0, 2, 3, 1}).view({-1, image.size(1)}); }
at::Tensor matrix_of(const at::Tensor& weight) { return weight.permute({0, 2, 3, 1}).view({weight.size(0), -1}); }

at::Tensor windows_of(const Convolution& c, const at::Tensor& x, int64_t first, int64_t count, at::Tensor& memory) {
  const auto pixels = c.y.pixels();
  if (c.is_pointwise()) return pixels_of(x).narrow(0, first * pixels, count * pixels);
  if (!memory.defined()) memory = new_tensor({count * pixels, c.window()});
  auto rows = memory.narrow(0, 0, count * pixels);
  gather_windows(c, x.const_data_ptr<float>(), first, count, rows.mutable_data_ptr<float>());
  return rows;
}

}  // namespace

at::Tensor output(const Convolution& c, const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias) {
  auto y = empty_image(c.y);
  auto to = pixels_of(y);
  const auto matrix = matrix_of(w).t();
  at::Tensor memory;
  each_block(c, [&](int64_t first, int64_t count) {
    const auto rows = windows_of(c, x, first, count, memory);
    auto block = to.narrow(0, first * c.y.pixels(), count * c.y.pixels());
    if (bias.defined()) {
      products::multiply_onto_row(block, rows, matrix, bias);
    } else {
      products::multiply(block, rows, matrix);
    }
  });
  return y;
}

at::Tensor weight_gradient(const Convolution& c, const at::Tensor& dy, const at::Tensor& x) {
  auto dw = empty_image(c.w);
  auto to = matrix_of(dw);
  const auto from = pixels_of(dy);
  at::Tensor memory;
  each_block(c, [&](int64_t first, int64_t count) {
    const auto rows = windows_of(c, x, first, count, memory);
    const auto block = from.narrow(0, first * c.y.pixels(), count * c.y.pixels()).t();
    products::multiply(to, block, rows, /*adds=*/first > 0);
  });
  return dw;
}

at::Tensor input_gradient(const Convolution& c, const at::Tensor& dy, const at::Tensor& w) {
  auto dx = empty_image(c.x);
  const auto from = pixels_of(dy), matrix = matrix_of(w);
  if (c.is_pointwise()) {
    auto to = pixels_of(dx);
    products::multiply(to, from, matrix);
    return dx;
  }
  HeldKernelThreads::let_go();
  dx.zero_();
  at::Tensor memory;
  each_block(c, [&](int64_t first, int64_t count) {
    const auto pixels = c.y.pixels();
    if (!memory.defined()) memory = new_tensor({count * pixels, c.window()});
    auto rows = memory.narrow(0, 0, count * pixels);
    products::multiply(rows, from.narrow(0, first * pixels, count * pixels), matrix);
    scatter_windows(c, rows.const_data_ptr<float>(), first, count, dx.mutable_data_ptr<float>());
  });
  return dx;
}

}  // namespace steppe::convolution_products
