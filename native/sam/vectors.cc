#include "vectors.h"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sum.h>

#include <algorithm>
#include <cmath>

#include "small.h"

namespace steppe::sam {
namespace {

bool is_narrow(const at::Tensor& x) { return x.scalar_type() == at::kHalf || x.scalar_type() == at::kBFloat16; }

}  // namespace

double norm(const Tensors& x) {
  Tensors defined;
  double sum = 0;
  for (const auto& tensor : x) {
    if (!tensor.defined() || tensor.numel() == 0) continue;
    if (const auto squares = small::square_sum(tensor)) {
      sum += *squares;
    } else {
      defined.push_back(tensor);
    }
  }
  if (defined.empty()) return std::sqrt(sum);
  const auto norms = at::_foreach_norm(defined, 2, is_narrow(defined.front()) ? std::optional(at::kFloat) : std::nullopt);
  for (const auto& each : norms) {
    const double value = each.item<double>();
    sum += value * value;
  }
  return std::sqrt(sum);
}

double norm(const at::Tensor& x) {
  if (const auto squares = small::square_sum(x)) return std::sqrt(*squares);
  return at::linalg_vector_norm(x, 2, std::nullopt, false, is_narrow(x) ? std::optional(at::kFloat) : std::nullopt).item<double>();
}

double dot(const Tensors& x, const Tensors& y) {
  double sum = 0;
  for (size_t k = 0; k < x.size(); k++) {
    if (!x[k].defined() || !y[k].defined()) continue;
    sum += at::sum(at::mul(x[k], y[k]), is_narrow(x[k]) ? std::optional(at::kFloat) : std::nullopt).item<double>();
  }
  return sum;
}

Tensors add(const Tensors& x, const Tensors& y, double a) {
  Tensors result(x.size()), both_x, both_y, only_y;
  for (size_t k = 0; k < x.size(); k++) {
    if (x[k].defined() && y[k].defined()) {
      both_x.push_back(x[k]);
      both_y.push_back(y[k]);
    } else if (y[k].defined()) {
      only_y.push_back(y[k]);
    }
  }
  const auto sums = both_x.empty() ? Tensors{} : at::_foreach_add(both_x, both_y, a);
  const auto products = only_y.empty() ? Tensors{} : at::_foreach_mul(only_y, a);
  for (size_t k = 0, i = 0, j = 0; k < x.size(); k++) {
    if (x[k].defined() && y[k].defined()) {
      result[k] = sums[i++];
    } else if (y[k].defined()) {
      result[k] = products[j++];
    } else {
      result[k] = x[k];
    }
  }
  return result;
}

Tensors scaled(const Tensors& x, double a) { return add(Tensors(x.size()), x, a); }

double rounding(const Tensors& x) {
  double most = 0;
  for (const auto& tensor : x) {
    if (!tensor.defined()) continue;
    const auto dtype = tensor.scalar_type();
    most = std::max(most, dtype == at::kBFloat16 ? 0x1p-7 : dtype == at::kHalf ? 0x1p-10 : dtype == at::kFloat ? 0x1p-23 : 0x1p-52);
  }
  return most;
}

}  // namespace steppe::sam
