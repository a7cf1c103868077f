#include "device_numbers.h"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <map>
#include <optional>

#include "../optim/parts.h"

namespace steppe::sam::there {
namespace {

// From here on a launch of its own that walks over memory once costs less than two for all tensors together that walk twice.
constexpr int64_t kLarge = 1 << 16;

// In the form that makes an operator compute in float32 with tensors of half precision: a tensor of no dimensions would be rounded.
at::Tensor factor(const at::Tensor& a, const at::Tensor& x) { return a.to(at::kFloat).reshape(std::vector<int64_t>(x.dim(), 1)); }

}  // namespace

void Numbers::set(size_t i, double value, at::Device device) {
  if (i == held.size()) {
    there.push_back(at::full({}, value, at::TensorOptions(at::kDouble).device(device)));
    held.push_back(value);
  } else if (held[i] != value) {
    there[i].fill_(value);
    held[i] = value;
  }
}

at::Tensor number(double value, const at::Tensor& like) { return at::full({}, value, like.options().dtype(at::kDouble)); }

at::Tensor norm(const Tensors& x, const at::Tensor& like) {
  Tensors there;
  for (const auto& each : x)
    if (each.defined() && each.numel() > 0) there.push_back(each);
  if (there.empty()) return number(0, like);
  return at::linalg_vector_norm(optim::norms_there(there), 2);
}

at::Tensor dot(const Tensors& x, const Tensors& y, const at::Tensor& like) {
  Tensors products;
  for (size_t k = 0; k < x.size(); k++)
    if (x[k].defined() && y[k].defined()) products.push_back(at::sum(at::mul(widened(x[k]), widened(y[k]))).to(at::kDouble));
  return products.empty() ? number(0, like) : at::sum(at::stack(products));
}

at::Tensor inverse(const at::Tensor& x) { return at::where(x.eq(0), at::zeros_like(x), at::reciprocal(x)); }

at::Tensor times(const at::Tensor& x, const at::Tensor& a) {
  if (!is_narrow(x)) return at::mul(x, a.to(x.scalar_type()));
  auto result = at::empty_like(x);
  return at::mul_out(result, x, factor(a, x));
}

Tensors add(const Tensors& x, const Tensors& y, const at::Tensor& a) {
  Tensors result = x;
  std::map<at::ScalarType, std::vector<size_t>> small;
  for (size_t k = 0; k < x.size(); k++) {
    if (!y[k].defined()) continue;
    if (!x[k].defined()) {
      result[k] = times(y[k], a);
    } else if (is_narrow(x[k])) {
      result[k] = at::empty_like(x[k]);
      at::addcmul_out(result[k], x[k], y[k], factor(a, x[k]));
    } else if (x[k].numel() >= kLarge) {
      result[k] = at::addcmul(x[k], y[k], a.to(x[k].scalar_type()));
    } else {
      small[x[k].scalar_type()].push_back(k);
    }
  }
  for (const auto& [dtype, index] : small) {
    Tensors xs, ys;
    for (const auto k : index) {
      xs.push_back(x[k]);
      ys.push_back(y[k]);
    }
    const auto sums = at::_foreach_add(xs, at::_foreach_mul(ys, a.to(dtype)));
    for (size_t i = 0; i < index.size(); i++) result[index[i]] = sums[i];
  }
  return result;
}

Tensors scaled(const Tensors& x, const at::Tensor& a) {
  Tensors result(x.size());
  std::map<at::ScalarType, std::vector<size_t>> alike;
  for (size_t k = 0; k < x.size(); k++) {
    if (!x[k].defined()) continue;
    if (is_narrow(x[k])) result[k] = times(x[k], a);
    else alike[x[k].scalar_type()].push_back(k);
  }
  for (const auto& [dtype, index] : alike) {
    Tensors xs;
    for (const auto k : index) xs.push_back(x[k]);
    const auto products = at::_foreach_mul(xs, a.to(dtype));
    for (size_t i = 0; i < index.size(); i++) result[index[i]] = products[i];
  }
  return result;
}

void take_over(const at::Tensor& to, const at::Tensor& from, const at::Tensor& bad) {
  auto result = to;
  at::where_out(result, bad, to, from);
}

}  // namespace steppe::sam::there
