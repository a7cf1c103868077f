#pragma once
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <vector>

#include "kernels/loops/parallel.h"

// Loops over the elements of many tensors as if they were one, on all kernel threads: of most tensors LibTorch's kernel takes longer to find
// than to run, and one thread alone does not use the memory's speed. Results do not depend on the number of threads.
namespace steppe::elements {

// Of how many threads each has enough of so many elements. Where a pass has called no other threads, they lie in this one's caches, and are added sooner
// than others are awake and have them.
inline int64_t parts_of_elements(int64_t count) { return parts_of(count / (kernel_threads_are_at_hand() ? 1 << 13 : 1 << 16)); }

// Whether the loops are for this tensor: float32 or float64 on the CPU, its elements dense in memory.
bool fits(const at::Tensor& x);
// Of a w that fits, whether x's elements lie in memory as those of w.
bool lies_like(const at::Tensor& x, const at::Tensor& w);

// Whether each has a storage of its own: where two look at the same memory, loops over all of them would change it in an order that is not to be told.
bool lie_apart(const std::vector<at::Tensor>& x);

// Of each tensor Σ x², accumulated in float64.
std::vector<double> square_sums(const std::vector<const at::Tensor*>& x);
// Of each pair Σ x y, likewise. y lies like x.
struct Pair {
  const at::Tensor *x, *y;
};
std::vector<double> product_sums(const std::vector<Pair>& pairs);

// out ← b w + a d, where b is 0 a d alone; out may be w. By their memory, which somebody else holds until they are added.
struct Sum {
  Sum(const at::Tensor& out, const at::Tensor& w, const at::Tensor& d, double a, double b = 1);

  void* out;
  const void *w, *d;
  int64_t size;
  double a, b;
  bool is_float;
};
void add(const std::vector<Sum>& sums);

// Calls body(slice, begin, end) for the elements [begin, end) of each slice, of so many as `size` says. Each thread has the same part of every
// slice, as it has of a product's rows: so it mostly finds what it wrote itself. From the last slice to the first, since a norm before it and a forward
// after it go from the first to the last: what was touched last is touched first. How slices are cut depends on the number of threads.
template <class Slice, class Body>
void over(const std::vector<Slice>& slices, const Body& body) {
  constexpr int64_t kLine = 16;  // elements
  int64_t all = 0;
  for (const auto& slice : slices) all += slice.size;
  take_in_kernel_threads();
  const auto parts = parts_of_elements(all);
  on_kernel_threads(parts, [&](int64_t i) {
    for (size_t k = slices.size(); k-- > 0;) {
      const auto size = slices[k].size, lines = (size + kLine - 1) / kLine;
      const auto begin = part_begin(lines, i, parts, k) * kLine, end = std::min(size, part_begin(lines, i + 1, parts, k) * kLine);
      if (begin < end) body(slices[k], begin, end);
    }
  });
}

// Of each slice the sum of what body(slice, begin, end) says of its pieces, cut and added in an order that does not depend on the number of threads.
template <class Slice, class Body>
std::vector<double> sums_over(const std::vector<Slice>& slices, const Body& body) {
  constexpr int64_t kPiece = 1 << 12;  // elements
  const auto pieces_of = [](const Slice& slice) { return (slice.size + kPiece - 1) / kPiece; };
  int64_t all = 0, pieces = 0;
  for (const auto& slice : slices) {
    all += slice.size;
    pieces += pieces_of(slice);
  }
  std::vector<double> of_pieces(pieces), sums(slices.size());
  take_in_kernel_threads();
  const auto parts = parts_of_elements(all);
  on_kernel_threads(parts, [&](int64_t i) {
    auto* of_slice = of_pieces.data();
    for (size_t k = 0; k < slices.size(); k++) {
      const auto count = pieces_of(slices[k]), end = part_begin(count, i + 1, parts, k);
      for (auto piece = part_begin(count, i, parts, k); piece < end; piece++)
        of_slice[piece] = body(slices[k], piece * kPiece, std::min<int64_t>(slices[k].size, (piece + 1) * kPiece));
      of_slice += count;
    }
  });
  const auto* of_slice = of_pieces.data();
  for (size_t k = 0; k < slices.size(); k++)
    for (auto left = pieces_of(slices[k]); left > 0; left--) sums[k] += *of_slice++;
  return sums;
}

}  // namespace steppe::elements
