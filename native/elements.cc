#include "elements.h"

#include "kernels/loops/lanes.h"

namespace steppe::elements {
namespace {

constexpr int64_t kPiece = 1 << 12;  // elements whose squares are summed by themselves
constexpr int64_t kChunk = 1 << 10;
constexpr double kLeastSafe = 0x1p-80, kMostSafe = 0x1p100;  // what was lost below float32's smallest number is less than 2e-11 of more than this

STEPPE_LOOPS_BEGIN

constexpr int64_t kDoubles = kLanes / 2;  // doubles of a register
using Doubles = double __attribute__((vector_size(kDoubles * sizeof(double)), aligned(8), may_alias));
using Floats = float __attribute__((vector_size(kDoubles * sizeof(float)), aligned(4), may_alias));
using DoubleLanes = double __attribute__((vector_size(kLanes * sizeof(double)), aligned(8), may_alias));

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
  for (; i + 4 * kDoubles <= n; i += 4 * kDoubles) {
    add_squares(x + i, sums[0]);
    add_squares(x + i + kDoubles, sums[1]);
    add_squares(x + i + 2 * kDoubles, sums[2]);
    add_squares(x + i + 3 * kDoubles, sums[3]);
  }
  for (; i + kDoubles <= n; i += kDoubles) add_squares(x + i, sums[0]);
  sums[0] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  double sum = 0;
  for (int lane = 0; lane < kDoubles; lane++) sum += sums[0][lane];
  for (; i < n; i++) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}

// Of kChunk numbers, by sums of eight squares in float32, which are added in float64: twice as fast. Where squares might leave float32's range all
// are taken in float64.
STEPPE_INSIDE double sum_of_chunk(const float* x) {
  Lanes sums[8] = {};
  for (int64_t i = 0; i < kChunk; i += 8 * kLanes) {
    for (int k = 0; k < 8; k++) {
      const auto& values = STEPPE_CONST_LANES(x + i + k * kLanes);
      sums[k] += values * values;
    }
  }
  DoubleLanes all = {};
  for (const auto& each : sums) all += __builtin_convertvector(each, DoubleLanes);
  double sum = 0;
  for (int lane = 0; lane < kLanes; lane++) sum += all[lane];
  return sum > kLeastSafe && sum < kMostSafe ? sum : sum_of_squares(x, kChunk);
}

STEPPE_INSIDE double sum_by_chunks(const float* x, int64_t n) {
  double sum = 0;
  int64_t i = 0;
  for (; i + kChunk <= n; i += kChunk) sum += sum_of_chunk(x + i);
  return sum + sum_of_squares(x + i, n - i);
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

STEPPE_FOR_ALL_PROCESSORS double square_sum_of(const float* x, int64_t n) { return sum_by_chunks(x, n); }
STEPPE_FOR_ALL_PROCESSORS double square_sum_of(const double* x, int64_t n) { return sum_of_squares(x, n); }
STEPPE_FOR_ALL_PROCESSORS void add_of(float* out, const float* w, const float* d, float b, float a, int64_t n) { sum(out, w, d, b, a, n); }
STEPPE_FOR_ALL_PROCESSORS void add_of(double* out, const double* w, const double* d, double b, double a, int64_t n) { sum(out, w, d, b, a, n); }

STEPPE_LOOPS_END

struct Squares {
  const void* x;
  int64_t size;
  bool is_float;
  int64_t first_piece;
  int64_t pieces() const { return (size + kPiece - 1) / kPiece; }
  double sum(int64_t begin, int64_t end) const {
    return is_float ? square_sum_of(static_cast<const float*>(x) + begin, end - begin) : square_sum_of(static_cast<const double*>(x) + begin, end - begin);
  }
};

template <class T>
void add_part(const Sum& sum, int64_t begin, int64_t end) {
  add_of(static_cast<T*>(sum.out) + begin, static_cast<const T*>(sum.w) + begin, static_cast<const T*>(sum.d) + begin, static_cast<T>(sum.b),
         static_cast<T>(sum.a), end - begin);
}

}  // namespace

bool fits(const at::Tensor& x) {
  return x.is_cpu() && x.layout() == at::kStrided && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble) && x.is_non_overlapping_and_dense() &&
         !x.is_neg();
}

bool lies_like(const at::Tensor& x, const at::Tensor& w) {
  return x.is_cpu() && x.layout() == at::kStrided && x.scalar_type() == w.scalar_type() && x.sizes() == w.sizes() && x.strides() == w.strides() && !x.is_neg();
}

// Each tensor's pieces by themselves, in the elements' order, and then all of them: the same for any number of threads.
double square_sum(const std::vector<const at::Tensor*>& x) {
  std::vector<Squares> slices;
  slices.reserve(x.size());
  int64_t all = 0, pieces = 0;
  for (const auto* tensor : x) {
    const Squares slice{tensor->const_data_ptr(), tensor->numel(), tensor->scalar_type() == at::kFloat, pieces};
    all += slice.size;
    pieces += slices.emplace_back(slice).pieces();
  }
  std::vector<double> sums(pieces);
  take_in_kernel_threads();
  const auto parts = parts_of_elements(all);
  on_kernel_threads(parts, [&](int64_t i) {
    for (size_t k = 0; k < slices.size(); k++) {
      const auto& slice = slices[k];
      const auto begin = part_begin(slice.pieces(), i, parts, k), end = part_begin(slice.pieces(), i + 1, parts, k);
      for (auto piece = begin; piece < end; piece++)
        sums[slice.first_piece + piece] = slice.sum(piece * kPiece, std::min(slice.size, (piece + 1) * kPiece));
    }
  });
  double sum = 0;
  for (const auto each : sums) sum += each;
  return sum;
}

Sum::Sum(const at::Tensor& to, const at::Tensor& x, const at::Tensor& y, double of_y, double of_x)
    : out(to.mutable_data_ptr()), w(x.const_data_ptr()), d(y.const_data_ptr()), size(x.numel()), a(of_y), b(of_x), is_float(x.scalar_type() == at::kFloat) {}

void add(const std::vector<Sum>& sums) {
  over(sums, [](const Sum& sum, int64_t begin, int64_t end) { sum.is_float ? add_part<float>(sum, begin, end) : add_part<double>(sum, begin, end); });
}

}  // namespace steppe::elements
