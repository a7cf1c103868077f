#include <algorithm>

#include "pieces.h"

// Batch norm with ReLU and max pooling behind it.
namespace steppe::batch_norm {
namespace {

STEPPE_LOOPS_BEGIN

// One row of windows, V times kLanes of its channels. x: the first of the row's kernel_height rows of pixels.
template <int V>
STEPPE_INSIDE void pool_block(const Windows& w, const float* x, const Affine& affine, float* y, uint8_t* places) {
  Lanes mean[V], scale[V], shift[V];
  STEPPE_EACH(v, V) {
    mean[v] = STEPPE_LOAD(Lanes, affine.mean + v * kLanes);
    scale[v] = STEPPE_LOAD(Lanes, affine.scale + v * kLanes);
    shift[v] = STEPPE_LOAD(Lanes, affine.shift + v * kLanes);
  }
  for (int64_t ox = 0; ox < w.out_width; ox++) {
    // From 0, which is what ReLU makes of all that is less. NaN passes: where one value of a channel is NaN, all are.
    Lanes best[V] = {};
    IntLanes place[V];
    STEPPE_EACH(v, V) place[v] = IntLanes{} + kNowhere;
    for (int64_t ky = 0; ky < w.kernel_height; ky++) {
      for (int64_t kx = 0; kx < w.kernel_width; kx++) {
        const float* pixel = x + (ky * w.width + ox * w.kernel_width + kx) * w.channels;
        const IntLanes here = IntLanes{} + static_cast<int32_t>(ky * w.kernel_width + kx);
        STEPPE_EACH(v, V) {
          const Lanes value = (STEPPE_LOAD(Lanes, pixel + v * kLanes) - mean[v]) * scale[v] + shift[v];
          place[v] = value <= best[v] ? place[v] : here;
          best[v] = value <= best[v] ? best[v] : value;
        }
      }
    }
    STEPPE_EACH(v, V) {
      STEPPE_STORE(best[v], y + ox * w.channels + v * kLanes);
      const ByteLanes bytes = __builtin_convertvector(place[v], ByteLanes);
      STEPPE_STORE(bytes, places + ox * w.channels + v * kLanes);
    }
  }
}

STEPPE_FOR_ALL_PROCESSORS
void pool_row(const Windows& w, const float* x, const Affine& affine, float* y, uint8_t* places) {
  const auto from = [&](int64_t c) { return Affine{affine.mean + c, affine.scale + c, affine.shift + c, affine.relu}; };
  int64_t c = 0;
  for (; c + 2 * kLanes <= w.channels; c += 2 * kLanes) pool_block<2>(w, x + c, from(c), y + c, places + c);
  for (; c < w.channels; c += kLanes) pool_block<1>(w, x + c, from(c), y + c, places + c);
}

template <int V>
STEPPE_INSIDE void add_pooled_sums(const Windows& w, const float* x, const float* dy, const uint8_t* places, const float* mean, double* sum, double* dot) {
  const Lanes zero = {};
  Lanes m[V], sums[V] = {}, dots[V] = {};
  STEPPE_EACH(v, V) m[v] = STEPPE_LOAD(Lanes, mean + v * kLanes);
  for (int64_t ox = 0; ox < w.out_width; ox++) {
    Lanes g[V];
    IntLanes place[V];
    STEPPE_EACH(v, V) {
      g[v] = STEPPE_LOAD(Lanes, dy + ox * w.channels + v * kLanes);
      place[v] = __builtin_convertvector(STEPPE_LOAD(ByteLanes, places + ox * w.channels + v * kLanes), IntLanes);
    }
    // Of a window's pixels one at most has a gradient.
    Lanes chosen[V];
    STEPPE_EACH(v, V) {
      chosen[v] = m[v];
      g[v] = place[v] == static_cast<int32_t>(kNowhere) ? zero : g[v];
    }
    for (int64_t ky = 0; ky < w.kernel_height; ky++) {
      for (int64_t kx = 0; kx < w.kernel_width; kx++) {
        const float* pixel = x + (ky * w.width + ox * w.kernel_width + kx) * w.channels;
        STEPPE_EACH(v, V) chosen[v] = place[v] == static_cast<int32_t>(ky * w.kernel_width + kx) ? STEPPE_LOAD(Lanes, pixel + v * kLanes) : chosen[v];
      }
    }
    STEPPE_EACH(v, V) {
      sums[v] += g[v];
      dots[v] += g[v] * (chosen[v] - m[v]);
    }
  }
  STEPPE_EACH(v, V) {
    add_lanes(sums[v], sum + v * kLanes);
    add_lanes(dots[v], dot + v * kLanes);
  }
}

STEPPE_FOR_ALL_PROCESSORS
void add_pooled_sums_of_row(const Windows& w, const float* x, const float* dy, const uint8_t* places, const float* mean, double* sum, double* dot) {
  int64_t c = 0;
  for (; c + 2 * kLanes <= w.channels; c += 2 * kLanes) add_pooled_sums<2>(w, x + c, dy + c, places + c, mean + c, sum + c, dot + c);
  for (; c < w.channels; c += kLanes) add_pooled_sums<1>(w, x + c, dy + c, places + c, mean + c, sum + c, dot + c);
}

// Pixels that no gradient reaches.
STEPPE_FOR_ALL_PROCESSORS
void spread_rest(int64_t rows, int64_t channels, const float* __restrict__ x, const Spread& s, float* __restrict__ dx) {
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < channels; c++) dx[r * channels + c] = s.of_x[c] * (x[r * channels + c] - s.mean[c]) + s.constant[c];
}

template <int V>
STEPPE_INSIDE void spread_windows(const Windows& w, const float* x, const float* dy, const uint8_t* places, const Spread& s, float* dx) {
  const Lanes zero = {};
  Lanes mean[V], p[V], q[V], constant[V];
  STEPPE_EACH(v, V) {
    mean[v] = STEPPE_LOAD(Lanes, s.mean + v * kLanes);
    p[v] = STEPPE_LOAD(Lanes, s.of_gradient + v * kLanes);
    q[v] = STEPPE_LOAD(Lanes, s.of_x + v * kLanes);
    constant[v] = STEPPE_LOAD(Lanes, s.constant + v * kLanes);
  }
  for (int64_t ox = 0; ox < w.out_width; ox++) {
    Lanes g[V];
    IntLanes place[V];
    STEPPE_EACH(v, V) {
      g[v] = p[v] * STEPPE_LOAD(Lanes, dy + ox * w.channels + v * kLanes);
      place[v] = __builtin_convertvector(STEPPE_LOAD(ByteLanes, places + ox * w.channels + v * kLanes), IntLanes);
    }
    for (int64_t ky = 0; ky < w.kernel_height; ky++) {
      for (int64_t kx = 0; kx < w.kernel_width; kx++) {
        const auto pixel = (ky * w.width + ox * w.kernel_width + kx) * w.channels;
        STEPPE_EACH(v, V) {
          const Lanes here = place[v] == static_cast<int32_t>(ky * w.kernel_width + kx) ? g[v] : zero;
          const Lanes result = here + (q[v] * (STEPPE_LOAD(Lanes, x + pixel + v * kLanes) - mean[v]) + constant[v]);
          STEPPE_STORE(result, dx + pixel + v * kLanes);
        }
      }
    }
  }
}

STEPPE_FOR_ALL_PROCESSORS
void spread_row_of_windows(const Windows& w, const float* x, const float* dy, const uint8_t* places, const Spread& s, float* dx) {
  const auto from = [&](int64_t c) { return Spread{s.mean + c, s.of_gradient + c, s.of_x + c, s.constant + c}; };
  int64_t c = 0;
  for (; c + 2 * kLanes <= w.channels; c += 2 * kLanes) spread_windows<2>(w, x + c, dy + c, places + c, from(c), dx + c);
  for (; c < w.channels; c += kLanes) spread_windows<1>(w, x + c, dy + c, places + c, from(c), dx + c);
}

STEPPE_LOOPS_END

// Calls use(row) for each row of windows, on several threads.
template <class Use>
void each_window_row(const Windows& w, const Use& use) {
  const auto rows = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, w.width * w.kernel_height * w.channels));
  parallel_for(0, w.n * w.out_height, rows, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) use(i);
  });
}

// Where the pixels under a row of windows begin.
int64_t pixels_of_row(const Windows& w, int64_t row) { return ((row / w.out_height) * w.height + (row % w.out_height) * w.kernel_height) * w.width * w.channels; }
int64_t windows_of_row(const Windows& w, int64_t row) { return row * w.out_width * w.channels; }

}  // namespace

void normalize_and_pool(Windows w, const float* x, Affine affine, float* y, uint8_t* places) {
  each_window_row(w, [&](int64_t row) {
    pool_row(w, x + pixels_of_row(w, row), affine, y + windows_of_row(w, row), places + windows_of_row(w, row));
  });
}

void pooled_gradient_sums(Windows w, const float* x, const float* dy, const uint8_t* places, const float* mean, double* sum, double* dot) {
  Partial partial(w.channels);
  const auto pieces = each_piece(w.n * w.out_height, 4, [&](int64_t i, int64_t begin, int64_t end) {
    std::fill_n(partial.first(i), 2 * w.channels, 0.0);
    for (int64_t row = begin; row < end; row++)
      add_pooled_sums_of_row(w, x + pixels_of_row(w, row), dy + windows_of_row(w, row), places + windows_of_row(w, row), mean, partial.first(i), partial.second(i));
  });
  partial.add_up(pieces, sum, dot);
}

void spread_pooled_gradient(Windows w, const float* x, const float* dy, const uint8_t* places, Spread spread, float* dx) {
  const auto right = w.width - w.out_width * w.kernel_width, below = w.height - w.out_height * w.kernel_height;
  each_window_row(w, [&](int64_t row) {
    const auto at = pixels_of_row(w, row);
    spread_row_of_windows(w, x + at, dy + windows_of_row(w, row), places + windows_of_row(w, row), spread, dx + at);
    for (int64_t ky = 0; right > 0 && ky < w.kernel_height; ky++) {
      const auto rest = at + ((ky + 1) * w.width - right) * w.channels;
      spread_rest(right, w.channels, x + rest, spread, dx + rest);
    }
    if (below > 0 && row % w.out_height == w.out_height - 1) {
      const auto rest = at + w.kernel_height * w.width * w.channels;
      spread_rest(below * w.width, w.channels, x + rest, spread, dx + rest);
    }
  });
}

}  // namespace steppe::batch_norm
