#pragma once
#include <array>
#include <cstdint>

// The loops of winograd.cc and winograd_gradient.cc, over vectors of channels. A tile is the 4 × 4 numbers of a channel from which 2 × 2 of the output come.
namespace steppe::winograd {

constexpr int64_t kTile = 16, kPatch = 4, kWindow = 9;  // numbers of a tile, of its output, of a window

// Of one channel: where each number lies, the first channel's.
using TilePlaces = std::array<const float*, kTile>;
using PatchPlaces = std::array<float*, kPatch>;  // null where the image ends
using ConstPatchPlaces = std::array<const float*, kPatch>;

// to[p] ← Bᵀ d B, with d the tile; `step` from one p to the next. All counts of channels are multiples of kLanes.
void transform_tile(int64_t channels, const TilePlaces& tile, float* to, int64_t step);
// y ← Aᵀ m A (+ bias), with m[p] at `from`.
void transform_output(int64_t channels, const float* from, int64_t step, const float* bias, const PatchPlaces& y);
// to[p] ← A dy Aᵀ.
void transform_output_gradient(int64_t channels, const ConstPatchPlaces& dy, float* to, int64_t step);
// to[p] ← G g Gᵀ, with g[i] at from + i * tap, for `rows` rows of `columns`.
struct Window {
  const float* data;
  int64_t tap, row;
};
void transform_weight(int64_t rows, int64_t columns, const Window& from, float* to, int64_t step, int64_t row);
// to[i] ← Gᵀ u G, with u[p] the sum of `sums` numbers.
struct Sums {
  const float* data;
  int64_t step;                   // from one p to the next
  int64_t sums = 1, sum_step = 0;
};
void transform_weight_gradient(int64_t channels, const Sums& from, float* to, int64_t tap);

}  // namespace steppe::winograd
