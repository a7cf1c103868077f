#include "direct_convolution.h"

#include <algorithm>
#include <cstring>

#include "../loops/lanes.h"
#include "../loops/parallel.h"
#include "../loops/scratch.h"

namespace steppe::direct_convolution {
namespace {

// Of the 32 registers, some are for what is multiplied.
constexpr int64_t kMostPixels = 14, kMostPixelsOfTwo = 8;  // at a time, with one and two registers of channels each
constexpr int64_t kMostElements = 12, kMostElementsOfTwo = 8;  // of a window, likewise
constexpr int64_t kPieces = 16;
constexpr int64_t kBand = 6144;  // floats of both sides that stay in the first cache while a weight's gradient is summed over them

STEPPE_LOOPS_BEGIN

// What lies one after the other in memory, and how far the next row is.
struct Rows {
  int64_t window_height, span;  // window width × channels: so many elements of a window follow each other
  int64_t row, step;            // from row to row of the padded image, from pixel to pixel
  int64_t out;
};

// P pixels of a row, V registers of output channels.
template <int P, int V>
STEPPE_INSIDE void pixels(const Rows& rows, const float* x, const float* w, const float* bias, float* y) {
  Lanes sums[P][V] = {};
  for (int64_t ky = 0; ky < rows.window_height; ky++) {
    const float* from = x + ky * rows.row;
    for (int64_t j = 0; j < rows.span; j++, from++, w += rows.out) {
      Lanes weights[V];
      STEPPE_EACH(v, V) weights[v] = STEPPE_CONST_LANES(w + v * kLanes);
      STEPPE_EACH(p, P) STEPPE_EACH(v, V) sums[p][v] += from[p * rows.step] * weights[v];
    }
  }
  if (bias != nullptr) {  // last: a large one would cost the products digits
    STEPPE_EACH(p, P) STEPPE_EACH(v, V) sums[p][v] += STEPPE_CONST_LANES(bias + v * kLanes);
  }
  STEPPE_EACH(p, P) STEPPE_EACH(v, V) STEPPE_LANES(y + p * rows.out + v * kLanes) = sums[p][v];
}

// A row of output pixels; the last block of P overlaps the one before where the row is no multiple.
template <int P, int V>
STEPPE_INSIDE void row_of_pixels(const Rows& rows, int64_t width, const float* x, const float* w, const float* bias, float* y) {
  for (int64_t at = 0; at < width; at += P) {
    const auto begin = std::min(at, width - P);
    pixels<P, V>(rows, x + begin * rows.step, w, bias, y + begin * rows.out);
  }
}

STEPPE_FOR_ALL_PROCESSORS
void convolve_row(const Rows& rows, int64_t width, const float* x, const float* w, const float* bias, float* y) {
  const auto in_blocks = [width](int64_t most) {
    const auto blocks = (width + most - 1) / most;
    return (width + blocks - 1) / blocks;
  };
  int64_t at = 0;
  for (; at + 2 * kLanes <= rows.out; at += 2 * kLanes) {
    const auto* its_bias = bias == nullptr ? nullptr : bias + at;
    switch (in_blocks(kMostPixelsOfTwo)) {
#define STEPPE_CASE(P) case P: row_of_pixels<P, 2>(rows, width, x, w + at, its_bias, y + at); break;
      STEPPE_CASE(1) STEPPE_CASE(2) STEPPE_CASE(3) STEPPE_CASE(4) STEPPE_CASE(5) STEPPE_CASE(6) STEPPE_CASE(7) STEPPE_CASE(8)
#undef STEPPE_CASE
    }
  }
  if (at == rows.out) return;
  const auto* its_bias = bias == nullptr ? nullptr : bias + at;
  switch (in_blocks(kMostPixels)) {
#define STEPPE_CASE(P) case P: row_of_pixels<P, 1>(rows, width, x, w + at, its_bias, y + at); break;
    STEPPE_CASE(1) STEPPE_CASE(2) STEPPE_CASE(3) STEPPE_CASE(4) STEPPE_CASE(5) STEPPE_CASE(6) STEPPE_CASE(7) STEPPE_CASE(8)
    STEPPE_CASE(9) STEPPE_CASE(10) STEPPE_CASE(11) STEPPE_CASE(12) STEPPE_CASE(13) STEPPE_CASE(14)
#undef STEPPE_CASE
  }
}

// Of some lines of an image: R elements that follow each other in each of K rows of the window, V registers of output channels.
template <int K, int R, int V>
STEPPE_INSIDE void add_products(const Rows& rows, int64_t height, int64_t width, const float* x, const float* dy, float* dw) {
  Lanes sums[K][R][V] = {};  // not what is in dw: short sums round less
  for (int64_t line = 0; line < height; line++) {
    const float* from = x + line * rows.row;
    for (int64_t pixel = 0; pixel < width; pixel++, from += rows.step, dy += rows.out) {
      Lanes gradients[V];
      STEPPE_EACH(v, V) gradients[v] = STEPPE_CONST_LANES(dy + v * kLanes);
      STEPPE_EACH(k, K) STEPPE_EACH(r, R) STEPPE_EACH(v, V) sums[k][r][v] += from[k * rows.row + r] * gradients[v];
    }
  }
  STEPPE_EACH(k, K) STEPPE_EACH(r, R) STEPPE_EACH(v, V) STEPPE_LANES(dw + (k * rows.span + r) * rows.out + v * kLanes) += sums[k][r][v];
}

template <int V>
STEPPE_INSIDE void add_band(const Rows& rows, int64_t height, int64_t width, const float* x, const float* dy, float* dw) {
  if (rows.window_height == 3 && rows.span == 3) return add_products<3, 3, V>(rows, height, width, x, dy, dw);
  constexpr int64_t most = V == 1 ? kMostElements : kMostElementsOfTwo;
  const auto blocks = (rows.span + most - 1) / most, block = (rows.span + blocks - 1) / blocks;
  for (int64_t ky = 0; ky < rows.window_height; ky++) {
    for (int64_t j = 0; j < rows.span; j += block) {
      const auto* from = x + ky * rows.row + j;
      auto* to = dw + (ky * rows.span + j) * rows.out;
      switch (std::min(block, rows.span - j)) {
#define STEPPE_CASE(R) case R: add_products<1, R, V>(rows, height, width, from, dy, to); break;
        STEPPE_CASE(1) STEPPE_CASE(2) STEPPE_CASE(3) STEPPE_CASE(4) STEPPE_CASE(5) STEPPE_CASE(6) STEPPE_CASE(7) STEPPE_CASE(8)
#undef STEPPE_CASE
#define STEPPE_CASE(R) case R: if constexpr (V == 1) add_products<1, R, V>(rows, height, width, from, dy, to); break;
        STEPPE_CASE(9) STEPPE_CASE(10) STEPPE_CASE(11) STEPPE_CASE(12)
#undef STEPPE_CASE
      }
    }
  }
}

STEPPE_FOR_ALL_PROCESSORS
void add_gradient_of_band(const Rows& rows, int64_t height, int64_t width, const float* x, const float* dy, float* dw) {
  int64_t at = 0;
  for (; at + 2 * kLanes <= rows.out; at += 2 * kLanes) add_band<2>(rows, height, width, x, dy + at, dw + at);
  if (at < rows.out) add_band<1>(rows, height, width, x, dy + at, dw + at);
}

STEPPE_FOR_ALL_PROCESSORS
void add_to(int64_t n, const float* __restrict__ from, float* __restrict__ to) {
  for (int64_t i = 0; i < n; i++) to[i] += from[i];
}

STEPPE_LOOPS_END

// An image with its border of zeros.
class Padded {
 public:
  explicit Padded(const Shape& shape)
      : shape_(shape), row_((shape.width + 2 * shape.left) * shape.channels), size_(shape.top > 0 || shape.left > 0 ? (shape.height + 2 * shape.top) * row_ : 0), memory_(size_) {
    std::fill_n(memory_.data(), size_, 0.0F);
  }
  const float* operator()(const float* image) {
    if (size_ == 0) return image;
    const auto count = shape_.width * shape_.channels;
    for (int64_t y = 0; y < shape_.height; y++)
      std::memcpy(memory_.data() + (y + shape_.top) * row_ + shape_.left * shape_.channels, image + y * count, static_cast<size_t>(count) * sizeof(float));
    return memory_.data();
  }

 private:
  const Shape& shape_;
  const int64_t row_, size_;
  PartMemory memory_;
};

// Sums of some images each, of which there are as many as threads or more: the number does not depend on the threads.
int64_t pieces_of(const Shape& shape) { return std::min(kPieces, shape.n); }
int64_t weight_of(const Shape& shape) { return shape.window() * shape.out; }

Rows rows_of(const Shape& shape) {
  return {shape.window_height, shape.window_width * shape.channels, (shape.width + 2 * shape.left) * shape.channels, shape.channels, shape.out};
}

}  // namespace

void convolve(const Shape& shape, const float* x, const float* w, const float* bias, float* y) {
  const auto rows = rows_of(shape);
  const auto height = shape.out_height(), width = shape.out_width();
  parallel_for(0, shape.n, 1, [&](int64_t begin, int64_t end) {
    Padded padded(shape);
    for (int64_t n = begin; n < end; n++) {
      const auto* image = padded(x + n * shape.height * shape.width * shape.channels);
      for (int64_t line = 0; line < height; line++) convolve_row(rows, width, image + line * rows.row, w, bias, y + (n * height + line) * width * shape.out);
    }
  });
}

int64_t gradient_floats(const Shape& shape) { return pieces_of(shape) * weight_of(shape); }

void weight_gradient(const Shape& shape, const float* x, const float* dy, float* sums) {
  const auto rows = rows_of(shape);
  const auto height = shape.out_height(), width = shape.out_width(), size = weight_of(shape);
  const auto pieces = pieces_of(shape), band = std::max<int64_t>(1, kBand / (rows.row + width * shape.out));
  parallel_for(0, pieces, 1, [&](int64_t begin, int64_t end) {
    Padded padded(shape);
    for (int64_t piece = begin; piece < end; piece++) {
      auto* sum = sums + piece * size;
      std::fill_n(sum, size, 0.0F);
      for (int64_t n = shape.n * piece / pieces; n < shape.n * (piece + 1) / pieces; n++) {
        const auto* image = padded(x + n * shape.height * shape.width * shape.channels);
        for (int64_t line = 0; line < height; line += band) {
          const auto count = std::min(band, height - line);
          add_gradient_of_band(rows, count, width, image + line * rows.row, dy + (n * height + line) * width * shape.out, sum);
        }
      }
    }
  });
  for (int64_t piece = 1; piece < pieces; piece++) add_to(size, sums + piece * size, sums);
}

}  // namespace steppe::direct_convolution
