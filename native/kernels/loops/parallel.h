#pragma once
#include <algorithm>
#include <cstdint>

#include "../../kernel_threads.h"

namespace steppe {

// Within mSAM's shards the number of threads changes from kernel to kernel, and from run to run (on_crews). So what a kernel computes must not
// depend on how it is cut into parts, and a part uses nothing that belongs to the thread that began the work, such as its grad mode or its
// StepMemory. While a kernel runs the number stays the same, unless it calls what is for between kernels (elements.h).

// Of how many threads each has one of so many units at least.
inline int64_t parts_of(int64_t units) { return std::max<int64_t>(1, std::min(kernel_thread_count(), units)); }

// Where thread i of `parts` begins in so many units; `turn`: which of many things this is, so that not the same thread has what is left over
// of all.
inline int64_t part_begin(int64_t units, int64_t i, int64_t parts, int64_t turn) { return (units * i + turn % parts) / parts; }

// How many parts parallel_for makes of so much.
inline int64_t parallel_parts(int64_t count, int64_t grain) { return parts_of((count + grain - 1) / std::max<int64_t>(grain, 1)); }

// Calls body(first, one past the last) for parts of [begin, end), of at least `grain` each, on as many threads as kernels may use. Which
// parts these are depends on the number of threads.
template <class Body>
void parallel_for(int64_t begin, int64_t end, int64_t grain, const Body& body) {
  if (begin >= end) return;
  const auto parts = parallel_parts(end - begin, grain);
  if (parts <= 1) return body(begin, end);
  const auto part = (end - begin + parts - 1) / parts;
  on_kernel_threads(parts, [&](int64_t i) {
    const auto first = begin + i * part;
    if (first < end) body(first, std::min(end, first + part));
  });
}

}  // namespace steppe
