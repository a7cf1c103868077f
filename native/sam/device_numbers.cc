#include "device_numbers.h"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <map>

namespace steppe::sam::there {
namespace {

// From here on a launch of its own that walks over memory once costs less than two for all tensors together that walk twice.
constexpr int64_t kLarge = 1 << 16;

}  // namespace

at::Tensor number(double value, const at::Tensor& like) { return at::full({}, value, like.options().dtype(at::kDouble)); }

at::Tensor norm(const Tensors& x, const at::Tensor& like) {
  Tensors there;
  for (const auto& each : x)
    if (each.defined() && each.numel() > 0) there.push_back(each);
  if (there.empty()) return number(0, like);
  return at::linalg_vector_norm(at::stack(at::_foreach_norm(there, 2)).to(at::kDouble), 2);
}

at::Tensor dot(const Tensors& x, const Tensors& y, const at::Tensor& like) {
  Tensors products;
  for (size_t k = 0; k < x.size(); k++)
    if (x[k].defined() && y[k].defined()) products.push_back(at::sum(at::mul(x[k], y[k])).to(at::kDouble));
  return products.empty() ? number(0, like) : at::sum(at::stack(products));
}

at::Tensor inverse(const at::Tensor& x) { return at::where(x.eq(0), at::zeros_like(x), at::reciprocal(x)); }

Tensors add(const Tensors& x, const Tensors& y, const at::Tensor& a) {
  Tensors result = x;
  std::map<at::ScalarType, std::vector<size_t>> small;
  for (size_t k = 0; k < x.size(); k++) {
    if (!y[k].defined()) continue;
    if (!x[k].defined()) {
      result[k] = at::mul(y[k], a.to(y[k].scalar_type()));
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
  for (size_t k = 0; k < x.size(); k++)
    if (x[k].defined()) alike[x[k].scalar_type()].push_back(k);
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
