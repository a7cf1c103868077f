#include "small.h"

namespace steppe::sam::small {
namespace {

// Up to here a loop on one core is faster than a call of LibTorch's.
constexpr int64_t kElements = 8192;

bool fits(const at::Tensor& x) {
  return x.numel() <= kElements && x.is_cpu() && x.layout() == at::kStrided && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble) &&
         x.is_non_overlapping_and_dense() && !x.is_neg() && !x.is_conj();
}

template <class T>
double square_sum_of(const T* x, int64_t n) {
  double sums[4] = {0, 0, 0, 0};
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (int lane = 0; lane < 4; lane++) {
      const auto value = static_cast<double>(x[i + lane]);
      sums[lane] += value * value;
    }
  }
  for (; i < n; i++) sums[0] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

template <class T>
#if defined(__GNUC__) && !defined(__clang__)
__attribute__((optimize("O3")))
#endif
void add_of(T* __restrict__ out, const T* __restrict__ w, const T* __restrict__ d, T a, int64_t n) {
  for (int64_t i = 0; i < n; i++) out[i] = w[i] + a * d[i];
}

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
