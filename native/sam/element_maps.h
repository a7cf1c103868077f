// Maps: what a method makes of each element by itself, written once: for numbers, in loops, and for tensors that the loops are not for (another
// dtype, another order, a GPU).
#pragma once
#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/sum.h>

#include <type_traits>
#include <utility>
#include <vector>

#include "../elements.h"
#include "../kernel_threads.h"
#include "../kernels/loops/processors.h"
#include "../step_memory.h"
#include "vectors.h"

namespace steppe::sam {

// What a map may make of an element: what stands in the result, and two factors whose products are summed over all elements, in float64.
template <class V>
struct Term {
  V result, a, b;
};

template <class Map>
constexpr bool kHasSum = std::is_same_v<decltype(std::declval<const Map&>()(0.0f, 0.0f)), Term<float>>;

// Elements of one tensor, those of x and y beside each other.
template <class T>
struct Stretch {
  T* result;
  const T *x, *y;
  int64_t size;
};

STEPPE_LOOPS_BEGIN

// A number as what is computed with V takes it.
template <class V>
STEPPE_INSIDE auto number(double value) {
  if constexpr (std::is_arithmetic_v<V>) {
    return static_cast<V>(value);
  } else {
    return value;
  }
}

template <class V>
STEPPE_INSIDE V magnitude(const V& x) {
  if constexpr (std::is_arithmetic_v<V>) {
    return x < 0 ? -x : x;
  } else {
    return at::abs(x);
  }
}

template <class V>
STEPPE_INSIDE V root(const V& x) {
  if constexpr (std::is_same_v<V, float>) {
    return __builtin_sqrtf(x);  // the library's function would be called for each element
  } else if constexpr (std::is_same_v<V, double>) {
    return __builtin_sqrt(x);
  } else {
    return at::sqrt(x);
  }
}

template <class T, class Map>
STEPPE_INSIDE double apply(const Stretch<T>& stretch, const Map& map) {
  constexpr int64_t kSums = 64;  // side by side, since each addition to one waits for the last
  const auto [result, x, y, size] = stretch;
  double sums[kSums] = {};
  const auto take = [&](int64_t i, double& sum) __attribute__((always_inline)) {
    const auto made = map(x[i], y[i]);
    if constexpr (kHasSum<Map>) {
      result[i] = made.result;
      sum += static_cast<double>(made.a) * static_cast<double>(made.b);
    } else {
      result[i] = made;
    }
  };
  int64_t i = 0;
  for (; i + kSums <= size; i += kSums) {
    _Pragma("GCC ivdep")
    for (int64_t k = 0; k < kSums; k++) take(i + k, sums[k]);
  }
  for (; i < size; i++) take(i, sums[i % kSums]);
  double sum = 0;
  for (const auto each : sums) sum += each;
  return sum;
}

STEPPE_LOOPS_END

// Compiles a map's loops for several processors; to stand between STEPPE_LOOPS_BEGIN and STEPPE_LOOPS_END. A map is a struct with
//   template <class V> STEPPE_INSIDE Term<V> operator()(const V& x, const V& y) const
// or one that gives a V, the result alone.
#define STEPPE_ELEMENT_MAP(Map)                                                                                                      \
  STEPPE_FOR_ALL_PROCESSORS double map_stretch(const Stretch<float>& stretch, const Map& map) { return apply(stretch, map); } \
  STEPPE_FOR_ALL_PROCESSORS double map_stretch(const Stretch<double>& stretch, const Map& map) { return apply(stretch, map); }

struct Mapped {
  Tensors result;  // undefined where x is
  double sum;      // 0 where the map has none
};

// x and y: one tensor per parameter; y is defined where x is, and x itself where there is none. The result may take the place of an x that nobody else
// holds. map_of(k): the map for tensor k.
template <class MapOf>
Mapped map_elements_by(Tensors x, const Tensors* all_y, const MapOf& map_of) {
  struct Slice {
    void* result;
    const void *x, *y;
    int64_t size;
    bool is_float;
    decltype(map_of(size_t{})) map;
  };
  const auto& y = all_y != nullptr ? *all_y : x;
  const StepMemory memory;
  Mapped mapped{Tensors(x.size()), 0};
  std::vector<Slice> slices;
  std::vector<size_t> rest;
  for (size_t k = 0; k < x.size(); k++) {
    if (!x[k].defined()) continue;
    if (!elements::fits(x[k]) || !elements::lies_like(y[k], x[k])) {
      rest.push_back(k);
      continue;
    }
    mapped.result[k] = in_place_of(x[k]);
    slices.push_back({mapped.result[k].mutable_data_ptr(), x[k].const_data_ptr(), y[k].const_data_ptr(), x[k].numel(), x[k].scalar_type() == at::kFloat, map_of(k)});
  }
  using Map = decltype(map_of(size_t{}));
  const auto apply_to = [&]<class T>(const Slice& slice, int64_t begin, int64_t end) {
    return map_stretch(Stretch<T>{static_cast<T*>(slice.result) + begin, static_cast<const T*>(slice.x) + begin, static_cast<const T*>(slice.y) + begin, end - begin},
                      slice.map);
  };
  const auto apply_here = [&](const Slice& slice, int64_t begin, int64_t end) {
    return slice.is_float ? apply_to.template operator()<float>(slice, begin, end) : apply_to.template operator()<double>(slice, begin, end);
  };
  if constexpr (kHasSum<Map>) {
    for (const auto sum : elements::sums_over(slices, apply_here)) mapped.sum += sum;
  } else {
    elements::over(slices, apply_here);
  }
  if (rest.empty()) return mapped;
  HeldKernelThreads::let_go();
  Tensors products;
  for (const auto k : rest) {
    const auto made = map_of(k)(widened(x[k]), widened(y[k]));
    if constexpr (kHasSum<Map>) {
      mapped.result[k] = made.result.to(x[k].scalar_type());
      products.push_back(at::sum(at::mul(made.a, made.b)));
    } else {
      mapped.result[k] = made.to(x[k].scalar_type());
    }
  }
  for (const auto product : values(products)) mapped.sum += product;
  return mapped;
}
template <class Map>
Mapped map_elements(Tensors x, const Tensors& y, const Map& map) {
  return map_elements_by(std::move(x), &y, [&](size_t) { return map; });
}
template <class Map>
Mapped map_elements(Tensors x, const Map& map) {
  return map_elements_by(std::move(x), nullptr, [&](size_t) { return map; });
}

}  // namespace steppe::sam
