#pragma once
#include <cstdint>
#include <utility>

#include "processors.h"

// For loops that hold their sums in the registers of AVX-512.
namespace steppe {

constexpr int64_t kLanes = 16;  // floats of a register
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

STEPPE_LOOPS_BEGIN

// Each lane plus the one that stands D further, round about.
template <int D, int... L>
STEPPE_INSIDE void add_turned(Lanes& x, std::integer_sequence<int, L...>) {
#if defined(__clang__)
  x += __builtin_shufflevector(x, x, ((L + D) % 16)...);
#else
  using Places = int32_t __attribute__((vector_size(kLanes * sizeof(int32_t))));
  x += __builtin_shuffle(x, Places{((L + D) % 16)...});
#endif
}

// In halves: lane by lane each addition would wait for the one before.
STEPPE_INSIDE float sum_of_lanes(const Lanes& x) {
  constexpr auto kAll = std::make_integer_sequence<int, 16>();
  auto sum = x;
  add_turned<8>(sum, kAll);
  add_turned<4>(sum, kAll);
  add_turned<2>(sum, kAll);
  add_turned<1>(sum, kAll);
  return sum[0];
}

STEPPE_LOOPS_END

}  // namespace steppe

// The lanes at a place in memory.
#define STEPPE_LANES(pointer) (*reinterpret_cast<Lanes*>(pointer))
#define STEPPE_CONST_LANES(pointer) (*reinterpret_cast<const Lanes*>(pointer))
