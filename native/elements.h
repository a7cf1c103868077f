#pragma once
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <vector>

#include "kernels/parallel.h"

// Loops over the elements of many tensors as if they were one, on all kernel threads: of most tensors LibTorch's kernel takes longer to find
// than to run, and one thread alone does not use the memory's speed. Results do not depend on the number of threads.
namespace steppe::elements {

// Whether the loops are for this tensor: float32 or float64 on the CPU, its elements dense in memory.
bool fits(const at::Tensor& x);
// Of a w that fits, whether x's elements lie in memory as those of w.
bool lies_like(const at::Tensor& x, const at::Tensor& w);

// Σ x² over all elements of all of them, accumulated in float64.
double square_sum(const std::vector<const at::Tensor*>& x);

// out ← b w + a d; out may be w. By their memory, which somebody else holds until they are added.
struct Sum {
  Sum(const at::Tensor& out, const at::Tensor& w, const at::Tensor& d, double a, double b = 1);

  void* out;
  const void *w, *d;
  int64_t size;
  double a, b;
  bool is_float;
};
void add(const std::vector<Sum>& sums);

// Calls body(slice, begin, end) for the elements [begin, end) of each slice, of so many as `size` says, a few thousand at least on each
// thread. How they are cut depends on the number of threads.
template <class Slice, class Body>
void over(const std::vector<Slice>& slices, const Body& body) {
  constexpr int64_t kLine = 16, kGrain = (1 << 13) / kLine;  // elements, lines
  int64_t all = 0;
  for (const auto& slice : slices) all += slice.size;
  parallel_for(0, (all + kLine - 1) / kLine, kGrain, [&](int64_t first, int64_t last) {
    const auto begin = first * kLine, end = std::min(all, last * kLine);
    int64_t start = 0;
    for (auto slice = slices.begin(); start < end; start += (slice++)->size) {
      const auto from = std::max<int64_t>(begin - start, 0), to = std::min(end - start, slice->size);
      if (from < to) body(*slice, from, to);
    }
  });
}

}  // namespace steppe::elements
