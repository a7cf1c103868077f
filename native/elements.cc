#include "elements.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/loops/lanes.h"

namespace steppe::elements {
namespace {

constexpr int64_t kChunk = 1 << 10;
constexpr double kLeastSafe = 0x1p-80, kMostSafe = 0x1p100;  // what was lost below float32's smallest number is less than 2e-11 of more than this

STEPPE_LOOPS_BEGIN

constexpr int64_t kDoubles = kLanes / 2;  // doubles of a register
using Doubles = double __attribute__((vector_size(kDoubles * sizeof(double)), aligned(8), may_alias));
using Floats = float __attribute__((vector_size(kDoubles * sizeof(float)), aligned(4), may_alias));
using DoubleLanes = double __attribute__((vector_size(kLanes * sizeof(double)), aligned(8), may_alias));

STEPPE_INSIDE void add_products(const float* x, const float* y, Doubles& sums) {
  sums += __builtin_convertvector(*reinterpret_cast<const Floats*>(x), Doubles) * __builtin_convertvector(*reinterpret_cast<const Floats*>(y), Doubles);
}
STEPPE_INSIDE void add_products(const double* x, const double* y, Doubles& sums) {
  sums += *reinterpret_cast<const Doubles*>(x) * *reinterpret_cast<const Doubles*>(y);
}

// In float64, in an order that does not depend on the processor.
template <class T>
STEPPE_INSIDE double sum_of_products(const T* x, const T* y, int64_t n) {
  Doubles sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * kDoubles <= n; i += 4 * kDoubles)
    STEPPE_EACH(k, 4) add_products(x + i + k * kDoubles, y + i + k * kDoubles, sums[k]);
  for (; i + kDoubles <= n; i += kDoubles) add_products(x + i, y + i, sums[0]);
  sums[0] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  double sum = 0;
  for (int lane = 0; lane < kDoubles; lane++) sum += sums[0][lane];
  for (; i < n; i++) sum += static_cast<double>(x[i]) * static_cast<double>(y[i]);
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
  return sum > kLeastSafe && sum < kMostSafe ? sum : sum_of_products(x, x, kChunk);
}

STEPPE_INSIDE double sum_by_chunks(const float* x, int64_t n) {
  double sum = 0;
  int64_t i = 0;
  for (; i + kChunk <= n; i += kChunk) sum += sum_of_chunk(x + i);
  return sum + sum_of_products(x + i, x + i, n - i);
}

// out may be w.
template <class T>
STEPPE_INSIDE void sum(T* out, const T* w, const T* d, T b, T a, int64_t n) {
  if (b == 1) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) out[i] = w[i] + a * d[i];
  } else if (b == 0) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) out[i] = a * d[i];
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) out[i] = b * w[i] + a * d[i];
  }
}

STEPPE_FOR_ALL_PROCESSORS double square_sum_of(const float* x, int64_t n) { return sum_by_chunks(x, n); }
STEPPE_FOR_ALL_PROCESSORS double square_sum_of(const double* x, int64_t n) { return sum_of_products(x, x, n); }
STEPPE_FOR_ALL_PROCESSORS double product_sum_of(const float* x, const float* y, int64_t n) { return sum_of_products(x, y, n); }
STEPPE_FOR_ALL_PROCESSORS double product_sum_of(const double* x, const double* y, int64_t n) { return sum_of_products(x, y, n); }
// Where a factor is beyond float32, as 1/‖d‖ of the smallest numbers is.
STEPPE_INSIDE void wide_sum(float* out, const float* w, const float* d, double b, double a, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) out[i] = static_cast<float>((b == 0 ? 0 : b * static_cast<double>(w[i])) + a * static_cast<double>(d[i]));
}

STEPPE_FOR_ALL_PROCESSORS void wide_add_of(float* out, const float* w, const float* d, double b, double a, int64_t n) { wide_sum(out, w, d, b, a, n); }
STEPPE_FOR_ALL_PROCESSORS void add_of(float* out, const float* w, const float* d, float b, float a, int64_t n) { sum(out, w, d, b, a, n); }
STEPPE_FOR_ALL_PROCESSORS void add_of(double* out, const double* w, const double* d, double b, double a, int64_t n) { sum(out, w, d, b, a, n); }

STEPPE_LOOPS_END

struct Slice {
  const void *x, *y;
  int64_t size;
  bool is_float;
};

template <class T>
double square_sum_of_part(const Slice& slice, int64_t begin, int64_t end) {
  return square_sum_of(static_cast<const T*>(slice.x) + begin, end - begin);
}
template <class T>
double product_sum_of_part(const Slice& slice, int64_t begin, int64_t end) {
  return product_sum_of(static_cast<const T*>(slice.x) + begin, static_cast<const T*>(slice.y) + begin, end - begin);
}

bool is_beyond_float(double factor) { return std::abs(factor) > std::numeric_limits<float>::max(); }

template <class T>
void add_part(const Sum& sum, int64_t begin, int64_t end) {
  if constexpr (std::is_same_v<T, float>) {
    if (is_beyond_float(sum.a) || is_beyond_float(sum.b))
      return wide_add_of(static_cast<T*>(sum.out) + begin, static_cast<const T*>(sum.w) + begin, static_cast<const T*>(sum.d) + begin, sum.b, sum.a, end - begin);
  }
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

bool lie_apart(const std::vector<at::Tensor>& x) {
  std::vector<const void*> places;
  for (const auto& tensor : x)
    if (tensor.defined() && tensor.numel() > 0) places.push_back(tensor.storage().data());
  std::sort(places.begin(), places.end());
  return std::adjacent_find(places.begin(), places.end()) == places.end();
}

std::vector<double> square_sums(const std::vector<const at::Tensor*>& x) {
  std::vector<Slice> slices;
  slices.reserve(x.size());
  for (const auto* tensor : x) slices.push_back({tensor->const_data_ptr(), nullptr, tensor->numel(), tensor->scalar_type() == at::kFloat});
  return sums_over(slices, [](const Slice& slice, int64_t begin, int64_t end) {
    return slice.is_float ? square_sum_of_part<float>(slice, begin, end) : square_sum_of_part<double>(slice, begin, end);
  });
}

std::vector<double> product_sums(const std::vector<Pair>& pairs) {
  std::vector<Slice> slices;
  slices.reserve(pairs.size());
  for (const auto& [x, y] : pairs) slices.push_back({x->const_data_ptr(), y->const_data_ptr(), x->numel(), x->scalar_type() == at::kFloat});
  return sums_over(slices, [](const Slice& slice, int64_t begin, int64_t end) {
    return slice.is_float ? product_sum_of_part<float>(slice, begin, end) : product_sum_of_part<double>(slice, begin, end);
  });
}

Sum::Sum(const at::Tensor& to, const at::Tensor& x, const at::Tensor& y, double of_y, double of_x)
    : out(to.mutable_data_ptr()), w(x.const_data_ptr()), d(y.const_data_ptr()), size(x.numel()), a(of_y), b(of_x), is_float(x.scalar_type() == at::kFloat) {}

void add(const std::vector<Sum>& sums) {
  over(sums, [](const Sum& sum, int64_t begin, int64_t end) { sum.is_float ? add_part<float>(sum, begin, end) : add_part<double>(sum, begin, end); });
}

}  // namespace steppe::elements
