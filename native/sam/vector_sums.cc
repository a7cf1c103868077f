// Sums of vectors: by loops where they are for the tensors, else by LibTorch's operators.
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/add.h>
#include <ATen/ops/mul.h>

#include <map>
#include <utility>

#include "../elements.h"
#include "../kernel_threads.h"
#include "../step_memory.h"
#include "vectors.h"

namespace steppe::sam {
namespace {

// The CPU's kernels take a factor in the tensors' own dtype: ρ/‖g‖ may be too large for float16, or too small.
bool takes_narrow_factors(const at::Tensor& x) { return x.is_cpu() && x.scalar_type() == at::kHalf; }

}  // namespace

void add_into(at::Tensor& to, const at::Tensor& x, const at::Tensor& y, double a) {
  HeldKernelThreads::let_go();
  if (takes_narrow_factors(x)) {
    to.copy_(at::add(x.to(at::kFloat), y.to(at::kFloat), a));
  } else {
    at::add_out(to, x, y, a);
  }
}

Tensors where_defined(Tensors x, const Tensors& g) {
  for (size_t k = 0; k < x.size(); k++)
    if (!g[k].defined()) x[k] = at::Tensor();
  return x;
}

namespace {

// Tensors that one launch serves, where launches cost, by the factor.
class ByFactor {
 public:
  void push_back(double factor, size_t k) { places_[factor].push_back(k); }
  // result_k ← compute(those of a factor, the factor)
  template <class Compute>
  void into(Tensors& result, const Compute& compute) const {
    for (const auto& [factor, places] : places_) {
      auto found = compute(places, factor);
      for (size_t i = 0; i < places.size(); i++) result[places[i]] = std::move(found[i]);
    }
  }

 private:
  std::map<double, std::vector<size_t>> places_;
};

Tensors chosen(const Tensors& x, const std::vector<size_t>& places) {
  Tensors result;
  for (const auto k : places) result.push_back(x[k]);
  return result;
}

// b·x + a·y of tensors that the loops are not for.
Tensors combination_by_libtorch(const std::vector<double>& b, const Tensors& x, const std::vector<double>& a, const Tensors& y) {
  HeldKernelThreads::let_go();
  Tensors result(x.size()), first(x.size());
  ByFactor of_x, sums, products;
  for (size_t k = 0; k < x.size(); k++) {
    if (!x[k].defined() && !y[k].defined()) continue;
    if (!x[k].defined() || !y[k].defined()) {
      first[k] = x[k].defined() ? x[k] : y[k];
      const double factor = x[k].defined() ? b[k] : a[k];
      if (takes_narrow_factors(first[k])) {
        result[k] = at::mul(first[k].to(at::kFloat), factor).to(first[k].scalar_type());
      } else {
        products.push_back(factor, k);
      }
    } else if (takes_narrow_factors(x[k]) || (is_narrow(x[k]) && b[k] != 1)) {  // rounded once
      result[k] = at::mul(y[k].to(at::kFloat), a[k]).add_(x[k].to(at::kFloat), b[k]).to(x[k].scalar_type());
    } else {
      first[k] = x[k];
      if (b[k] != 1) of_x.push_back(b[k], k);
      sums.push_back(a[k], k);
    }
  }
  of_x.into(first, [&](const auto& places, double factor) { return at::_foreach_mul(chosen(x, places), factor); });
  sums.into(result, [&](const auto& places, double factor) { return at::_foreach_add(chosen(first, places), chosen(y, places), factor); });
  products.into(result, [&](const auto& places, double factor) { return at::_foreach_mul(chosen(first, places), factor); });
  return result;
}

}  // namespace

Tensors combination(const std::vector<double>& b, Tensors x, const std::vector<double>& a, const Tensors& y) {
  const StepMemory memory;
  Tensors result(x.size()), rest_x(x.size()), rest_y(x.size());
  std::vector<elements::Sum> sums;
  sums.reserve(x.size());
  bool any_rest = false;
  for (size_t k = 0; k < x.size(); k++) {
    const bool has_x = x[k].defined(), has_y = y[k].defined();
    if (!has_x && !has_y) continue;
    if (!has_y && b[k] == 1) {
      result[k] = x[k];
      continue;
    }
    const auto& one = has_x ? x[k] : y[k];
    if (!elements::fits(one) || (has_x && has_y && !elements::lies_like(y[k], one))) {
      rest_x[k] = x[k];
      rest_y[k] = y[k];
      any_rest = true;
      continue;
    }
    result[k] = has_x ? in_place_of(one) : new_like(one);
    const bool both = has_x && has_y;
    sums.emplace_back(result[k], one, both ? y[k] : one, has_y ? a[k] : b[k], both ? b[k] : 0);
  }
  elements::add(sums);
  if (!any_rest) return result;
  auto rest = combination_by_libtorch(b, rest_x, a, rest_y);
  for (size_t k = 0; k < rest.size(); k++)
    if (rest[k].defined()) result[k] = std::move(rest[k]);
  return result;
}

Tensors combination(double b, Tensors x, double a, const Tensors& y) {
  const std::vector<double> of_x(x.size(), b), of_y(x.size(), a);
  return combination(of_x, std::move(x), of_y, y);
}
Tensors add(Tensors x, const Tensors& y, double a) { return combination(1, std::move(x), a, y); }
Tensors scaled(Tensors x, double a) {
  const auto count = x.size();
  return combination(a, std::move(x), 0, Tensors(count));
}

void add_to(const Tensors& x, const std::vector<double>& a, const Tensors& y) {
  const bool apart = elements::lie_apart(x);
  std::vector<elements::Sum> sums;
  for (size_t k = 0; k < x.size(); k++) {
    if (!y[k].defined()) continue;
    if (apart && elements::fits(x[k]) && elements::lies_like(y[k], x[k])) {
      sums.emplace_back(x[k], x[k], y[k], a[k]);
      x[k].unsafeGetTensorImpl()->bump_version();
    } else {
      at::Tensor to = x[k];
      add_into(to, to, y[k], a[k]);
    }
  }
  elements::add(sums);
}

}  // namespace steppe::sam
