#include "batch_norm_loops.h"

#include <algorithm>

#include "pieces.h"

namespace steppe::batch_norm {
namespace {

constexpr int64_t kChunk = 64;  // rows that are summed in float32; chunks in float64

STEPPE_LOOPS_BEGIN

// Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing sample variances, 1979: what is known of so
// many numbers, and of others, to what is known of all.
template <class Numbers>
STEPPE_INSIDE void join(double count, Numbers& mean, Numbers& squares, double other_count, const Numbers& other_mean, const Numbers& other_squares) {
  const Numbers delta = other_mean - mean;
  const double share = other_count / (count + other_count);
  mean += delta * share;
  squares += other_squares + delta * delta * (count * share);
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

STEPPE_LOOPS_END

}  // namespace

STEPPE_LOOPS_BEGIN

STEPPE_FOR_ALL_PROCESSORS
void add_pieces(int64_t pieces, int64_t count, double* numbers) {
  for (int64_t i = 1; i < pieces; i++)
    for (int64_t k = 0; k < count; k++) numbers[k] += numbers[i * count + k];
}

STEPPE_LOOPS_END

void moments(Rows rows, const float* x, double* mean, double* squares) {
  const auto count = rows.count, channels = rows.channels;
  Partial partial(channels);
  const auto pieces = each_piece(count, 4 * kChunk, [&](int64_t i, int64_t begin, int64_t end) {
    moments_of_piece(end - begin, channels, x + begin * channels, partial.first(i), partial.second(i));
  });
  join_pieces(count, pieces, channels, partial.numbers);
  partial.give(mean, squares);
}

void normalize(Rows rows, const float* x, Affine affine, float* y) {
  parallel_for(0, rows.count, std::max<int64_t>(1, kGrain / rows.channels), [&](int64_t begin, int64_t end) {
    normalize_rows(end - begin, rows.channels, x + begin * rows.channels, affine.mean, affine.scale, affine.shift, affine.relu, y + begin * rows.channels);
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

void spread_gradient(Rows rows, const float* x, const float* dy, Affine affine, Spread spread, float* dx) {
  parallel_for(0, rows.count, std::max<int64_t>(1, kGrain / rows.channels), [&](int64_t begin, int64_t end) {
    const auto at = begin * rows.channels;
    spread_rows(end - begin, rows.channels, x + at, dy + at, affine, spread, dx + at);
  });
}

}  // namespace steppe::batch_norm
