#include "batch_norm_loops.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "../loops/parallel.h"
#include "../loops/processors.h"
#include "../loops/scratch.h"

namespace steppe::batch_norm {
namespace {

// Eight floats: a register of AVX; elsewhere the compiler takes several.
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));
using IntLanes = int32_t __attribute__((vector_size(kLanes * sizeof(int32_t))));
using DoubleLanes = double __attribute__((vector_size(kLanes * sizeof(double))));
using ByteLanes = uint8_t __attribute__((vector_size(kLanes)));

constexpr int64_t kChunk = 64;  // rows that are summed in float32; chunks in float64
constexpr int64_t kPieces = 16;

STEPPE_LOOPS_BEGIN

#define STEPPE_LOAD(type, from)           \
  ({                                      \
    type loaded;                          \
    std::memcpy(&loaded, from, sizeof loaded); \
    loaded;                               \
  })
#define STEPPE_STORE(value, to) std::memcpy(to, &(value), sizeof(value))

// Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing sample variances, 1979: what is known of so
// many numbers, and of others, to what is known of all.
template <class Numbers>
STEPPE_INSIDE void join(double count, Numbers& mean, Numbers& squares, double other_count, const Numbers& other_mean, const Numbers& other_squares) {
  const Numbers delta = other_mean - mean;
  const double share = other_count / (count + other_count);
  mean += delta * share;
  squares += other_squares + delta * delta * (count * share);
}

STEPPE_INSIDE void add_lanes(const Lanes& x, double* to) {
  const DoubleLanes sum = STEPPE_LOAD(DoubleLanes, to) + __builtin_convertvector(x, DoubleLanes);
  STEPPE_STORE(sum, to);
}

// add(r, v, sum) for all rows and each v, in eight sums: one would wait for its own last addition.
template <int V, class Add>
STEPPE_INSIDE void sum_rows(int64_t rows, const Add& add, Lanes (&sum)[V]) {
  constexpr int kSums = 8 / V;
  Lanes sums[kSums][V] = {};
  int64_t r = 0;
  for (; r + kSums <= rows; r += kSums) STEPPE_EACH(i, kSums) STEPPE_EACH(v, V) add(r + i, v, sums[i][v]);
  for (; r < rows; r++) STEPPE_EACH(v, V) add(r, v, sums[0][v]);
  STEPPE_EACH(v, V) {
    sum[v] = sums[0][v];
    for (int i = 1; i < kSums; i++) sum[v] += sums[i][v];
  }
}

// Of one chunk: `before` rows are in `mean` and `squares` already.
template <int V>
STEPPE_INSIDE void add_moments(int64_t before, int64_t rows, int64_t channels, const float* x, double* mean, double* squares) {
  Lanes means[V], square_sums[V];
  sum_rows<V>(rows, [&](int64_t r, int v, Lanes& to) __attribute__((always_inline)) { to += STEPPE_LOAD(Lanes, x + r * channels + v * kLanes); }, means);
  STEPPE_EACH(v, V) means[v] /= static_cast<float>(rows);
  sum_rows<V>(rows, [&](int64_t r, int v, Lanes& to) __attribute__((always_inline)) {
    const Lanes d = STEPPE_LOAD(Lanes, x + r * channels + v * kLanes) - means[v];
    to += d * d;
  }, square_sums);
  STEPPE_EACH(v, V) {
    DoubleLanes all_mean = STEPPE_LOAD(DoubleLanes, mean + v * kLanes), all_squares = STEPPE_LOAD(DoubleLanes, squares + v * kLanes);
    join<DoubleLanes>(static_cast<double>(before), all_mean, all_squares, static_cast<double>(rows), __builtin_convertvector(means[v], DoubleLanes), __builtin_convertvector(square_sums[v], DoubleLanes));
    STEPPE_STORE(all_mean, mean + v * kLanes);
    STEPPE_STORE(all_squares, squares + v * kLanes);
  }
}

STEPPE_FOR_ALL_PROCESSORS
void moments_of_piece(int64_t rows, int64_t channels, const float* x, double* mean, double* squares) {
  std::fill_n(mean, channels, 0.0);
  std::fill_n(squares, channels, 0.0);
  for (int64_t begin = 0; begin < rows; begin += kChunk) {
    const int64_t n = std::min(kChunk, rows - begin);
    const float* chunk = x + begin * channels;
    int64_t c = 0;
    for (; c + 4 * kLanes <= channels; c += 4 * kLanes) add_moments<4>(begin, n, channels, chunk + c, mean + c, squares + c);
    for (; c + 2 * kLanes <= channels; c += 2 * kLanes) add_moments<2>(begin, n, channels, chunk + c, mean + c, squares + c);
    for (; c < channels; c += kLanes) add_moments<1>(begin, n, channels, chunk + c, mean + c, squares + c);
  }
}

// The moments of pieces of `rows` rows, one after the other, two rows of numbers each: into those of the first.
STEPPE_FOR_ALL_PROCESSORS
void join_pieces(int64_t rows, int64_t pieces, int64_t channels, double* numbers) {
  for (int64_t i = 1; i < pieces; i++) {
    const auto before = rows * i / pieces, here = rows * (i + 1) / pieces - before;
    const auto* of_piece = numbers + 2 * i * channels;
    for (int64_t c = 0; c < channels; c += kLanes) {
      DoubleLanes mean = STEPPE_LOAD(DoubleLanes, numbers + c), squares = STEPPE_LOAD(DoubleLanes, numbers + channels + c);
      join<DoubleLanes>(static_cast<double>(before), mean, squares, static_cast<double>(here), STEPPE_LOAD(DoubleLanes, of_piece + c), STEPPE_LOAD(DoubleLanes, of_piece + channels + c));
      STEPPE_STORE(mean, numbers + c);
      STEPPE_STORE(squares, numbers + channels + c);
    }
  }
}

// All pieces' numbers, so many each, into those of the first.
STEPPE_FOR_ALL_PROCESSORS
void add_pieces(int64_t pieces, int64_t count, double* numbers) {
  for (int64_t i = 1; i < pieces; i++)
    for (int64_t k = 0; k < count; k++) numbers[k] += numbers[i * count + k];
}

STEPPE_FOR_ALL_PROCESSORS
void normalize_rows(int64_t rows, int64_t channels, const float* __restrict__ x, const float* __restrict__ mean, const float* __restrict__ scale, const float* __restrict__ shift, bool relu, float* __restrict__ y) {
  for (int64_t r = 0; r < rows; r++) {
    const float* from = x + r * channels;
    float* to = y + r * channels;
    if (relu) {
      for (int64_t c = 0; c < channels; c++) {
        const float value = (from[c] - mean[c]) * scale[c] + shift[c];
        to[c] = value <= 0.0f ? 0.0f : value;
      }
    } else {
      for (int64_t c = 0; c < channels; c++) to[c] = (from[c] - mean[c]) * scale[c] + shift[c];
    }
  }
}

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

template <int V, bool kRelu>
STEPPE_INSIDE void add_sums(int64_t rows, int64_t channels, const float* x, const float* dy, const Affine& affine, double* sum, double* dot) {
  Lanes sums[V] = {}, dots[V] = {};
  for (int64_t r = 0; r < rows; r++) {
    STEPPE_EACH(v, V) {
      const auto at = r * channels + v * kLanes;
      const Lanes centred = STEPPE_LOAD(Lanes, x + at) - STEPPE_LOAD(Lanes, affine.mean + v * kLanes), zero = {};
      Lanes g = STEPPE_LOAD(Lanes, dy + at);
      if constexpr (kRelu) g = centred * STEPPE_LOAD(Lanes, affine.scale + v * kLanes) + STEPPE_LOAD(Lanes, affine.shift + v * kLanes) <= zero ? zero : g;
      sums[v] += g;
      dots[v] += g * centred;
    }
  }
  STEPPE_EACH(v, V) {
    add_lanes(sums[v], sum + v * kLanes);
    add_lanes(dots[v], dot + v * kLanes);
  }
}

template <bool kRelu>
STEPPE_INSIDE void add_sums_of_rows(int64_t rows, int64_t channels, const float* x, const float* dy, const Affine& affine, double* sum, double* dot) {
  const auto from = [&](int64_t c) { return Affine{affine.mean + c, affine.scale + c, affine.shift + c, kRelu}; };
  for (int64_t begin = 0; begin < rows; begin += kChunk) {
    const int64_t n = std::min(kChunk, rows - begin), at = begin * channels;
    int64_t c = 0;
    for (; c + 2 * kLanes <= channels; c += 2 * kLanes) add_sums<2, kRelu>(n, channels, x + at + c, dy + at + c, from(c), sum + c, dot + c);
    for (; c < channels; c += kLanes) add_sums<1, kRelu>(n, channels, x + at + c, dy + at + c, from(c), sum + c, dot + c);
  }
}

STEPPE_FOR_ALL_PROCESSORS
void sums_of_piece(int64_t rows, int64_t channels, const float* x, const float* dy, const Affine& affine, double* sum, double* dot) {
  std::fill_n(sum, channels, 0.0);
  std::fill_n(dot, channels, 0.0);
  if (affine.relu) {
    add_sums_of_rows<true>(rows, channels, x, dy, affine, sum, dot);
  } else {
    add_sums_of_rows<false>(rows, channels, x, dy, affine, sum, dot);
  }
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

STEPPE_FOR_ALL_PROCESSORS
void spread_rows(int64_t rows, int64_t channels, const float* __restrict__ x, const float* __restrict__ dy, const Affine& affine, const Spread& s, float* __restrict__ dx) {
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < channels; c += kLanes) {
      const auto at = r * channels + c;
      const Lanes centred = STEPPE_LOAD(Lanes, x + at) - STEPPE_LOAD(Lanes, s.mean + c), zero = {};
      Lanes g = STEPPE_LOAD(Lanes, dy + at);
      if (affine.relu) g = centred * STEPPE_LOAD(Lanes, affine.scale + c) + STEPPE_LOAD(Lanes, affine.shift + c) <= zero ? zero : g;
      const Lanes result = STEPPE_LOAD(Lanes, s.of_gradient + c) * g + (STEPPE_LOAD(Lanes, s.of_x + c) * centred + STEPPE_LOAD(Lanes, s.constant + c));
      STEPPE_STORE(result, dx + at);
    }
  }
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

#undef STEPPE_LOAD
#undef STEPPE_STORE

STEPPE_LOOPS_END

// Calls use(piece, begin, end) for pieces of [0, n), on several threads.
template <class Use>
int64_t each_piece(int64_t n, int64_t least, const Use& use) {
  const auto pieces = std::clamp<int64_t>(n / least, 1, kPieces);
  parallel_for(0, pieces, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) use(i, n * i / pieces, n * (i + 1) / pieces);
  });
  return pieces;
}

// Two numbers for each channel of each piece, which whoever has the piece sets.
struct Partial {
  explicit Partial(int64_t channels) : channels(channels), numbers(reinterpret_cast<double*>(shared_scratch(2 * 2 * kPieces * channels))) {}
  double* first(int64_t piece) { return numbers + 2 * piece * channels; }
  double* second(int64_t piece) { return first(piece) + channels; }
  void add_up(int64_t pieces, double* a, double* b) {
    add_pieces(pieces, 2 * channels, numbers);
    give(a, b);
  }
  void join_up(int64_t rows, int64_t pieces, double* mean, double* squares) {
    join_pieces(rows, pieces, channels, numbers);
    give(mean, squares);
  }
  void give(double* a, double* b) {
    std::copy_n(first(0), channels, a);
    std::copy_n(second(0), channels, b);
  }
  int64_t channels;
  double* numbers;
};

constexpr int64_t kGrain = 8192;  // elements that are worth a thread

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

void moments(Rows rows, const float* x, double* mean, double* squares) {
  const auto count = rows.count, channels = rows.channels;
  Partial partial(channels);
  const auto pieces = each_piece(count, 4 * kChunk, [&](int64_t i, int64_t begin, int64_t end) {
    moments_of_piece(end - begin, channels, x + begin * channels, partial.first(i), partial.second(i));
  });
  partial.join_up(count, pieces, mean, squares);
}

void normalize(Rows rows, const float* x, Affine affine, float* y) {
  parallel_for(0, rows.count, std::max<int64_t>(1, kGrain / rows.channels), [&](int64_t begin, int64_t end) {
    normalize_rows(end - begin, rows.channels, x + begin * rows.channels, affine.mean, affine.scale, affine.shift, affine.relu, y + begin * rows.channels);
  });
}

void normalize_and_pool(Windows w, const float* x, Affine affine, float* y, uint8_t* places) {
  each_window_row(w, [&](int64_t row) {
    pool_row(w, x + pixels_of_row(w, row), affine, y + windows_of_row(w, row), places + windows_of_row(w, row));
  });
}

void gradient_sums(Rows rows, const float* x, const float* dy, Affine affine, double* sum, double* dot) {
  const auto count = rows.count, channels = rows.channels;
  Partial partial(channels);
  const auto pieces = each_piece(count, 4 * kChunk, [&](int64_t i, int64_t begin, int64_t end) {
    sums_of_piece(end - begin, channels, x + begin * channels, dy + begin * channels, affine, partial.first(i), partial.second(i));
  });
  partial.add_up(pieces, sum, dot);
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

void spread_gradient(Rows rows, const float* x, const float* dy, Affine affine, Spread spread, float* dx) {
  parallel_for(0, rows.count, std::max<int64_t>(1, kGrain / rows.channels), [&](int64_t begin, int64_t end) {
    const auto at = begin * rows.channels;
    spread_rows(end - begin, rows.channels, x + at, dy + at, affine, spread, dx + at);
  });
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
