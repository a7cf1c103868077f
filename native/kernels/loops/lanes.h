#pragma once
#include <cstdint>

#include "processors.h"

// For loops that hold their sums in the registers of AVX-512.
namespace steppe {

constexpr int64_t kLanes = 16;  // floats of a register
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

STEPPE_LOOPS_BEGIN

STEPPE_INSIDE float sum_of_lanes(const Lanes& x) {
  float sum = 0;
  for (int lane = 0; lane < kLanes; lane++) sum += x[lane];
  return sum;
}

STEPPE_LOOPS_END

}  // namespace steppe

// The lanes at a place in memory.
#define STEPPE_LANES(pointer) (*reinterpret_cast<Lanes*>(pointer))
#define STEPPE_CONST_LANES(pointer) (*reinterpret_cast<const Lanes*>(pointer))
