#include "layer_norm_loops.h"

#include <algorithm>
#include <cmath>

#include "../loops/lanes.h"

namespace steppe::layer_norm {
namespace {

constexpr int64_t kBlock = 1024;  // numbers that are summed in float32; blocks in float64

STEPPE_LOOPS_BEGIN

STEPPE_INSIDE float all_of(const Lanes (&sums)[4]) { return sum_of_lanes((sums[0] + sums[1]) + (sums[2] + sums[3])); }

struct Moments {
  double sum, squares;
};

// Σ (x - m), and of its squares where they are asked for.
template <bool kSquares>
STEPPE_INSIDE Moments sum_of(int64_t count, const float* x, float m) {
  Moments all{};
  for (int64_t first = 0; first < count; first += kBlock) {
    const auto end = std::min(count, first + kBlock);
    Lanes sums[4] = {}, squares[4] = {};
    auto i = first;
    for (; i + 4 * kLanes <= end; i += 4 * kLanes) {
      STEPPE_EACH(k, 4) {
        const auto centred = STEPPE_CONST_LANES(x + i + k * kLanes) - m;
        sums[k] += centred;
        if (kSquares) squares[k] += centred * centred;
      }
    }
    for (; i + kLanes <= end; i += kLanes) {
      const auto centred = STEPPE_CONST_LANES(x + i) - m;
      sums[0] += centred;
      if (kSquares) squares[0] += centred * centred;
    }
    float rest = 0, rest_squares = 0;
    for (; i < end; i++) {
      rest += x[i] - m;
      rest_squares += (x[i] - m) * (x[i] - m);
    }
    all.sum += all_of(sums) + rest;
    if (kSquares) all.squares += all_of(squares) + rest_squares;
  }
  return all;
}

// The mean is taken twice: a sum of large numbers that hardly differ is off by more than they differ, and what is left of it is not.
STEPPE_FOR_ALL_PROCESSORS
void normalize_row(int64_t columns, double eps, const float* x, const Affine& affine, float* __restrict__ y, float* mean, float* rstd) {
  const auto count = static_cast<double>(columns);
  const auto near = static_cast<float>(sum_of<false>(columns, x, 0).sum / count);
  const auto [left, squares] = sum_of<true>(columns, x, near);
  const auto m = static_cast<float>(near + left / count);
  const auto r = static_cast<float>(1 / std::sqrt(std::max(squares / count - left / count * (left / count), 0.0) + eps));
  const auto *weight = affine.weight, *bias = affine.bias;
  if (weight != nullptr && bias != nullptr) {
    for (int64_t i = 0; i < columns; i++) y[i] = (x[i] - m) * r * weight[i] + bias[i];
  } else if (weight != nullptr) {
    for (int64_t i = 0; i < columns; i++) y[i] = (x[i] - m) * r * weight[i];
  } else {
    for (int64_t i = 0; i < columns; i++) y[i] = (x[i] - m) * r;
  }
  *mean = m;
  *rstd = r;
}

template <bool kHasWeight>
STEPPE_INSIDE void dx_of_row(int64_t columns, const float* dy, const float* x, float m, float r, const float* weight, float* __restrict__ dx) {
  double all = 0, all_normalized = 0;  // Σ g, and Σ g · normalised x, with g = dL/dy · weight
  for (int64_t first = 0; first < columns; first += kBlock) {
    const auto end = std::min(columns, first + kBlock);
    Lanes sums[2] = {}, products[2] = {};
    auto i = first;
    const auto add = [&](int part) __attribute__((always_inline)) {
      const auto g = kHasWeight ? STEPPE_CONST_LANES(dy + i) * STEPPE_CONST_LANES(weight + i) : STEPPE_CONST_LANES(dy + i);
      sums[part] += g;
      products[part] += g * ((STEPPE_CONST_LANES(x + i) - m) * r);
      i += kLanes;
    };
    while (i + 2 * kLanes <= end) {
      add(0);
      add(1);
    }
    if (i + kLanes <= end) add(0);
    float rest = 0, rest_products = 0;
    for (; i < end; i++) {
      const auto g = kHasWeight ? dy[i] * weight[i] : dy[i];
      rest += g;
      rest_products += g * ((x[i] - m) * r);
    }
    all += sum_of_lanes(sums[0] + sums[1]) + rest;
    all_normalized += sum_of_lanes(products[0] + products[1]) + rest_products;
  }
  const auto a = static_cast<float>(all / static_cast<double>(columns)), b = static_cast<float>(all_normalized / static_cast<double>(columns));
  for (int64_t i = 0; i < columns; i++) dx[i] = r * ((kHasWeight ? dy[i] * weight[i] : dy[i]) - a - (x[i] - m) * r * b);
}

STEPPE_FOR_ALL_PROCESSORS
void backward_row(int64_t columns, const float* dy, const float* x, float m, float r, const float* weight, float* dx) {
  if (weight != nullptr) {
    dx_of_row<true>(columns, dy, x, m, r, weight, dx);
  } else {
    dx_of_row<false>(columns, dy, x, m, r, weight, dx);
  }
}

STEPPE_FOR_ALL_PROCESSORS
void add_row(int64_t columns, const float* dy, const float* x, float m, float r, float* __restrict__ d_weight, float* __restrict__ d_bias) {
  if (d_weight != nullptr && d_bias != nullptr) {
    for (int64_t i = 0; i < columns; i++) {
      d_weight[i] += dy[i] * ((x[i] - m) * r);
      d_bias[i] += dy[i];
    }
  } else if (d_weight != nullptr) {
    for (int64_t i = 0; i < columns; i++) d_weight[i] += dy[i] * ((x[i] - m) * r);
  } else if (d_bias != nullptr) {
    for (int64_t i = 0; i < columns; i++) d_bias[i] += dy[i];
  }
}

STEPPE_LOOPS_END

}  // namespace

void normalize_rows(int64_t rows, int64_t columns, double eps, const float* x, const Affine& affine, float* y, float* mean, float* rstd) {
  for (int64_t i = 0; i < rows; i++) normalize_row(columns, eps, x + i * columns, affine, y + i * columns, mean + i, rstd + i);
}

void backward_rows(int64_t rows, int64_t columns, const float* dy, const float* x, const float* mean, const float* rstd, const float* weight, float* dx, float* d_weight,
              float* d_bias) {
  for (int64_t i = 0; i < rows; i++) {
    const auto at = i * columns;
    if (dx != nullptr) backward_row(columns, dy + at, x + at, mean[i], rstd[i], weight, dx + at);
    add_row(columns, dy + at, x + at, mean[i], rstd[i], d_weight, d_bias);
  }
}

}  // namespace steppe::layer_norm
