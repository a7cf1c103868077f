#pragma once
#include <algorithm>
#include <cstring>

#include "../loops/parallel.h"
#include "../loops/processors.h"
#include "../loops/scratch.h"
#include "batch_norm_loops.h"

// What the loops over all pixels and those over windows share: registers of eight channels, and sums over the batch by pieces.
namespace steppe::batch_norm {

// Eight floats: a register of AVX; elsewhere the compiler takes several.
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));
using IntLanes = int32_t __attribute__((vector_size(kLanes * sizeof(int32_t))));
using DoubleLanes = double __attribute__((vector_size(kLanes * sizeof(double))));
using ByteLanes = uint8_t __attribute__((vector_size(kLanes)));

constexpr int64_t kPieces = 16;
constexpr int64_t kGrain = 8192;  // elements that are worth a thread

#define STEPPE_LOAD(type, from)           \
  ({                                      \
    type loaded;                          \
    std::memcpy(&loaded, from, sizeof loaded); \
    loaded;                               \
  })
#define STEPPE_STORE(value, to) std::memcpy(to, &(value), sizeof(value))

STEPPE_LOOPS_BEGIN

STEPPE_INSIDE void add_lanes(const Lanes& x, double* to) {
  const DoubleLanes sum = STEPPE_LOAD(DoubleLanes, to) + __builtin_convertvector(x, DoubleLanes);
  STEPPE_STORE(sum, to);
}

STEPPE_LOOPS_END

// All pieces' numbers, so many each, into those of the first.
void add_pieces(int64_t pieces, int64_t count, double* numbers);

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
  explicit Partial(int64_t channels) : channels(channels), memory(kFloats * channels), numbers(reinterpret_cast<double*>(memory.take(kFloats * channels))) {}
  double* first(int64_t piece) { return numbers + 2 * piece * channels; }
  double* second(int64_t piece) { return first(piece) + channels; }
  void add_up(int64_t pieces, double* a, double* b) {
    add_pieces(pieces, 2 * channels, numbers);
    give(a, b);
  }
  void give(double* a, double* b) {
    std::copy_n(first(0), channels, a);
    std::copy_n(second(0), channels, b);
  }
  static constexpr int64_t kFloats = 2 * 2 * kPieces;
  const int64_t channels;
  CallMemory memory;
  double* const numbers;
};

}  // namespace steppe::batch_norm
