#include "small.h"

#include "../kernels/processors.h"

namespace steppe::sam::small {
namespace {

// Up to here a loop on one core is faster than a call of LibTorch's.
constexpr int64_t kElements = 1 << 16;

bool fits(const at::Tensor& x) {
  return x.numel() <= kElements && x.is_cpu() && x.layout() == at::kStrided && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble) &&
         x.is_non_overlapping_and_dense() && !x.is_neg() && !x.is_conj();
}

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

template <class T>
STEPPE_INSIDE void sum(T* __restrict__ out, const T* __restrict__ w, const T* __restrict__ d, T a, int64_t n) {
  for (int64_t i = 0; i < n; i++) out[i] = w[i] + a * d[i];
}

STEPPE_FOR_ALL_PROCESSORS double square_sum_of(const float* x, int64_t n) { return sum_of_squares(x, n); }
STEPPE_FOR_ALL_PROCESSORS double square_sum_of(const double* x, int64_t n) { return sum_of_squares(x, n); }
STEPPE_FOR_ALL_PROCESSORS void add_of(float* out, const float* w, const float* d, float a, int64_t n) { sum(out, w, d, a, n); }
STEPPE_FOR_ALL_PROCESSORS void add_of(double* out, const double* w, const double* d, double a, int64_t n) { sum(out, w, d, a, n); }

STEPPE_LOOPS_END

}  // namespace

std::optional<double> square_sum(const at::Tensor& x) {
  if (!fits(x)) return std::nullopt;
  if (x.scalar_type() == at::kFloat) return square_sum_of(x.const_data_ptr<float>(), x.numel());
  return square_sum_of(x.const_data_ptr<double>(), x.numel());
}

bool add(at::Tensor& out, const at::Tensor& w, const at::Tensor& d, double a) {
  if (!fits(w) || !fits(d) || w.scalar_type() != d.scalar_type() || w.strides() != d.strides() || out.strides() != w.strides()) return false;
  if (w.scalar_type() == at::kFloat) {
    add_of(out.mutable_data_ptr<float>(), w.const_data_ptr<float>(), d.const_data_ptr<float>(), static_cast<float>(a), w.numel());
  } else {
    add_of(out.mutable_data_ptr<double>(), w.const_data_ptr<double>(), d.const_data_ptr<double>(), a, w.numel());
  }
  return true;
}

}  // namespace steppe::sam::small
