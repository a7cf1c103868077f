#include "winograd_loops.h"

#include "../loops/lanes.h"

namespace steppe::winograd {
namespace {

STEPPE_LOOPS_BEGIN

// The matrices of F(2, 3) (Lavin and Gray, (7)), each times a column; `Step` from one number of it to the next.
template <int Step>
STEPPE_INSIDE void times_b_transposed(Lanes* d) {
  const Lanes first = d[0] - d[2 * Step], second = d[Step] + d[2 * Step], third = d[2 * Step] - d[Step], fourth = d[Step] - d[3 * Step];
  d[0] = first, d[Step] = second, d[2 * Step] = third, d[3 * Step] = fourth;
}

template <int Step>
STEPPE_INSIDE void times_a_transposed(const Lanes* m, Lanes& first, Lanes& second) {
  const Lanes sum = m[Step] + m[2 * Step], difference = m[Step] - m[2 * Step];
  first = m[0] + sum;
  second = difference - m[3 * Step];
}

template <int Step>
STEPPE_INSIDE void times_a(const Lanes& first, const Lanes& second, Lanes* to) {
  to[0] = first, to[Step] = first + second, to[2 * Step] = first - second, to[3 * Step] = -second;
}

template <int Step>
STEPPE_INSIDE void times_g(const Lanes& first, const Lanes& second, const Lanes& third, Lanes* to) {
  const Lanes half = 0.5F * (first + third), middle = 0.5F * second;
  to[0] = first, to[Step] = half + middle, to[2 * Step] = half - middle, to[3 * Step] = third;
}

template <int Step>
STEPPE_INSIDE void times_g_transposed(const Lanes* u, Lanes& first, Lanes& second, Lanes& third) {
  const Lanes sum = 0.5F * (u[Step] + u[2 * Step]);
  first = u[0] + sum;
  second = 0.5F * (u[Step] - u[2 * Step]);
  third = sum + u[3 * Step];
}

}  // namespace

STEPPE_FOR_ALL_PROCESSORS
void transform_tile(int64_t channels, const TilePlaces& tile, float* to, int64_t step) {
  for (int64_t c = 0; c < channels; c += kLanes) {
    Lanes d[kTile];
    STEPPE_EACH(p, 16) d[p] = STEPPE_CONST_LANES(tile[p] + c);
    STEPPE_EACH(i, 4) times_b_transposed<4>(d + i);
    STEPPE_EACH(i, 4) times_b_transposed<1>(d + 4 * i);
    STEPPE_EACH(p, 16) STEPPE_LANES(to + p * step + c) = d[p];
  }
}

STEPPE_FOR_ALL_PROCESSORS
void transform_output(int64_t channels, const float* from, int64_t step, const float* bias, const PatchPlaces& y) {
  for (int64_t c = 0; c < channels; c += kLanes) {
    Lanes m[kTile], half[8], patch[kPatch];
    STEPPE_EACH(p, 16) m[p] = STEPPE_CONST_LANES(from + p * step + c);
    STEPPE_EACH(i, 4) times_a_transposed<4>(m + i, half[i], half[4 + i]);
    STEPPE_EACH(i, 2) times_a_transposed<1>(half + 4 * i, patch[2 * i], patch[2 * i + 1]);
    if (bias != nullptr) {
      STEPPE_EACH(i, 4) patch[i] += STEPPE_CONST_LANES(bias + c);
    }
    STEPPE_EACH(i, 4) if (y[i] != nullptr) STEPPE_LANES(y[i] + c) = patch[i];
  }
}

STEPPE_FOR_ALL_PROCESSORS
void transform_output_gradient(int64_t channels, const ConstPatchPlaces& dy, float* to, int64_t step) {
  for (int64_t c = 0; c < channels; c += kLanes) {
    Lanes half[8], m[kTile];
    STEPPE_EACH(i, 2) times_a<2>(STEPPE_CONST_LANES(dy[i] + c), STEPPE_CONST_LANES(dy[2 + i] + c), half + i);
    STEPPE_EACH(i, 4) times_a<1>(half[2 * i], half[2 * i + 1], m + 4 * i);
    STEPPE_EACH(p, 16) STEPPE_LANES(to + p * step + c) = m[p];
  }
}

STEPPE_FOR_ALL_PROCESSORS
void transform_weight(int64_t rows, int64_t columns, const Window& from, float* to, int64_t step, int64_t row) {
  for (int64_t k = 0; k < rows; k++) {
    for (int64_t c = 0; c < columns; c += kLanes) {
      const auto* g = from.data + k * from.row + c;
      Lanes window[kWindow], half[12], u[kTile];
      STEPPE_EACH(i, 9) window[i] = STEPPE_CONST_LANES(g + i * from.tap);
      STEPPE_EACH(i, 3) times_g<3>(window[i], window[3 + i], window[6 + i], half + i);
      STEPPE_EACH(i, 4) times_g<1>(half[3 * i], half[3 * i + 1], half[3 * i + 2], u + 4 * i);
      STEPPE_EACH(p, 16) STEPPE_LANES(to + p * step + k * row + c) = u[p];
    }
  }
}

STEPPE_FOR_ALL_PROCESSORS
void transform_weight_gradient(int64_t channels, const Sums& from, float* to, int64_t tap) {
  for (int64_t c = 0; c < channels; c += kLanes) {
    Lanes u[kTile], half[12], window[kWindow];
    STEPPE_EACH(p, 16) u[p] = STEPPE_CONST_LANES(from.data + p * from.step + c);
    for (int64_t sum = 1; sum < from.sums; sum++) {
      STEPPE_EACH(p, 16) u[p] += STEPPE_CONST_LANES(from.data + sum * from.sum_step + p * from.step + c);
    }
    STEPPE_EACH(i, 4) times_g_transposed<4>(u + i, half[i], half[4 + i], half[8 + i]);
    STEPPE_EACH(i, 3) times_g_transposed<1>(half + 4 * i, window[3 * i], window[3 * i + 1], window[3 * i + 2]);
    STEPPE_EACH(i, 9) STEPPE_LANES(to + i * tap + c) = window[i];
  }
}

STEPPE_LOOPS_END

}  // namespace steppe::winograd
