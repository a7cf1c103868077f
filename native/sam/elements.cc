#include "elements.h"

#include <algorithm>

#include "../kernels/parallel.h"
#include "../kernels/processors.h"

namespace steppe::sam::elements {
namespace {

constexpr int64_t kPiece = 1 << 14;  // elements
constexpr int64_t kGrain = 2;        // pieces

STEPPE_LOOPS_BEGIN

constexpr int64_t kLanes = 8;
using Doubles = double __attribute__((vector_size(kLanes * sizeof(double)), aligned(8), may_alias));
using Floats = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

STEPPE_INSIDE void add_squares(const float* x, Doubles& sums) {
  const auto values = __builtin_convertvector(*reinterpret_cast<const Floats*>(x), Doubles);
  sums += values * values;
}
STEPPE_INSIDE void add_squares(const double* x, Doubles& sums) {
  const auto values = *reinterpret_cast<const Doubles*>(x);
  sums += values * values;
}

// In float64, in an order that does not depend on the processor.
template <class T>
STEPPE_INSIDE double sum_of_squares(const T* x, int64_t n) {
  Doubles sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    add_squares(x + i, sums[0]);
    add_squares(x + i + kLanes, sums[1]);
    add_squares(x + i + 2 * kLanes, sums[2]);
    add_squares(x + i + 3 * kLanes, sums[3]);
  }
  for (; i + kLanes <= n; i += kLanes) add_squares(x + i, sums[0]);
  sums[0] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  double sum = 0;
  for (int lane = 0; lane < kLanes; lane++) sum += sums[0][lane];
  for (; i < n; i++) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}

// out may be w.
template <class T>
STEPPE_INSIDE void sum(T* out, const T* w, const T* d, T b, T a, int64_t n) {
  if (b == 1) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) out[i] = w[i] + a * d[i];
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) out[i] = b * w[i] + a * d[i];
  }
}

STEPPE_FOR_ALL_PROCESSORS double square_sum_of(const float* x, int64_t n) { return sum_of_squares(x, n); }
STEPPE_FOR_ALL_PROCESSORS double square_sum_of(const double* x, int64_t n) { return sum_of_squares(x, n); }
STEPPE_FOR_ALL_PROCESSORS void add_of(float* out, const float* w, const float* d, float b, float a, int64_t n) { sum(out, w, d, b, a, n); }
STEPPE_FOR_ALL_PROCESSORS void add_of(double* out, const double* w, const double* d, double b, double a, int64_t n) { sum(out, w, d, b, a, n); }

STEPPE_LOOPS_END

// Cuts elements that are numbered through all tensors into pieces of kPiece: body(piece, k, begin, end) gets tensor k's part of a piece, a
// piece's parts in their order on one thread.
template <class Body>
void over_pieces(const std::vector<int64_t>& sizes, const Body& body) {
  std::vector<int64_t> ends;
  int64_t all = 0;
  for (const auto size : sizes) ends.push_back(all += size);
  const auto pieces = (all + kPiece - 1) / kPiece;
  parallel_for(0, pieces, kGrain, [&](int64_t first, int64_t last) {
    auto at = first * kPiece;
    auto k = static_cast<size_t>(std::upper_bound(ends.begin(), ends.end(), at) - ends.begin());
    for (auto piece = first; piece < last; piece++) {
      for (const auto end = std::min(all, (piece + 1) * kPiece); at < end; k += at == ends[k]) {
        const auto begin = at;
        at = std::min(end, ends[k]);
        const auto start = ends[k] - sizes[k];
        body(piece, k, begin - start, at - start);
      }
    }
  });
}

}  // namespace

bool fits(const at::Tensor& x) {
  return x.is_cpu() && x.layout() == at::kStrided && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble) && x.is_non_overlapping_and_dense() &&
         !x.is_neg() && !x.is_conj();
}

bool fits(const at::Tensor& out, const at::Tensor& w, const at::Tensor& d) {
  return fits(w) && fits(d) && w.scalar_type() == d.scalar_type() && w.strides() == d.strides() && out.strides() == w.strides() && out.scalar_type() == w.scalar_type();
}

double square_sum(const std::vector<at::Tensor>& x) {
  std::vector<int64_t> sizes;
  int64_t all = 0;
  for (const auto& tensor : x) all += sizes.emplace_back(tensor.numel());
  std::vector<double> sums((all + kPiece - 1) / kPiece);
  over_pieces(sizes, [&](int64_t piece, size_t k, int64_t begin, int64_t end) {
    const auto& tensor = x[k];
    sums[piece] += tensor.scalar_type() == at::kFloat ? square_sum_of(tensor.const_data_ptr<float>() + begin, end - begin)
                                                      : square_sum_of(tensor.const_data_ptr<double>() + begin, end - begin);
  });
  double sum = 0;
  for (const auto each : sums) sum += each;
  return sum;
}

void add(const std::vector<Sum>& sums) {
  std::vector<int64_t> sizes;
  for (const auto& each : sums) sizes.push_back(each.w.numel());
  over_pieces(sizes, [&](int64_t, size_t k, int64_t begin, int64_t end) {
    const auto& [out, w, d, a, b] = sums[k];
    const auto part = [&]<class T>(T of_w, T of_d) {
      add_of(out.mutable_data_ptr<T>() + begin, w.const_data_ptr<T>() + begin, d.const_data_ptr<T>() + begin, of_w, of_d, end - begin);
    };
    if (w.scalar_type() == at::kFloat) {
      part(static_cast<float>(b), static_cast<float>(a));
    } else {
      part(b, a);
    }
  });
}

}  // namespace steppe::sam::elements
