#include "parts.h"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcdiv.h>
#include <ATen/ops/_foreach_div.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_neg.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "../errors.h"

namespace steppe::optim {
namespace {

bool is_half(const at::Tensor& x) { return x.scalar_type() == at::kHalf || x.scalar_type() == at::kBFloat16; }

}  // namespace

Tensors like_w(Tensors& state, const Part& part, double initial) {
  Tensors result;
  result.reserve(part.index.size());
  for (size_t i = 0; i < part.index.size(); i++) {
    const auto& w = part.w[i];
    auto& s = state[part.index[i]];
    if (!s.defined()) {
      s = initial == 0 ? at::zeros_like(w) : at::full_like(w, initial);
    } else if (s.scalar_type() != w.scalar_type() || s.device() != w.device() || s.sizes() != w.sizes() || s.strides() != w.strides()) {
      if (s.sizes() != w.sizes()) fail(Code::argument, "The optimizer's state has another shape than its parameter.");
      s = at::empty_like(w).copy_(s);
    }
    result.push_back(s);
  }
  return result;
}

const at::Tensor& fitted(at::Tensor& state, at::IntArrayRef sizes, at::ScalarType dtype, at::Device device) {
  if (!state.defined()) {
    state = at::zeros(sizes, at::TensorOptions(dtype).device(device));
  } else {
    if (state.sizes() != sizes) fail(Code::argument, "The optimizer's state has another shape than its parameter needs.");
    if (state.scalar_type() != dtype || state.device() != device) state = state.to(device, dtype);
  }
  return state;
}

float& number(at::Tensor& state, float initial) {
  if (!state.defined()) {
    state = at::full({}, initial, at::TensorOptions(at::kFloat));
  } else if (state.scalar_type() != at::kFloat || !state.is_cpu()) {
    state = state.to(at::kCPU, at::kFloat);
  }
  if (state.numel() != 1) fail(Code::argument, "The optimizer's state has a tensor in the place of a number.");
  return *state.mutable_data_ptr<float>();
}

Tensors gradient(const Part& part, double weight_decay) {
  const bool maximize = part.h["maximize"] != 0;
  if (!maximize) return weight_decay == 0 ? part.d : at::_foreach_add(part.d, part.w, weight_decay);
  auto g = at::_foreach_neg(part.d);
  if (weight_decay != 0) at::_foreach_add_(g, part.w, weight_decay);
  return g;
}

void add_(const Tensors& x, const Tensors& y, double a) { at::_foreach_add_(x, y, a); }
void add_(const Tensors& x, const Tensors& y, const Scalars& a) { at::_foreach_add_(x, at::_foreach_mul(y, a)); }
void add_(const Tensors& x, const Tensors& y, const at::Tensor& a) { at::_foreach_add_(x, at::_foreach_mul(y, a.to(x[0].scalar_type()))); }
void add_quotient_(const Tensors& x, const Tensors& y, const Tensors& z, double a) { at::_foreach_addcdiv_(x, y, z, a); }
void add_quotient_(const Tensors& x, const Tensors& y, const Tensors& z, const Scalars& a) { at::_foreach_addcdiv_(x, y, z, a); }
void add_quotient_(const Tensors& x, const Tensors& y, const Tensors& z, const at::Tensor& a) { add_(x, at::_foreach_div(y, z), a); }
void scale_(const Tensors& x, double a) { at::_foreach_mul_(x, a); }
void scale_(const Tensors& x, const Scalars& a) { at::_foreach_mul_(x, a); }
void scale_(const Tensors& x, const at::Tensor& a) { at::_foreach_mul_(x, a.to(x[0].scalar_type())); }
Tensors divided(const Tensors& x, const Scalars& a) { return at::_foreach_div(x, a); }
Tensors divided(const Tensors& x, const at::Tensor& a) { return at::_foreach_div(x, a.to(x[0].scalar_type())); }
void divide_(const Tensors& x, const Scalars& a) { at::_foreach_div_(x, a); }
void divide_(const Tensors& x, const at::Tensor& a) { at::_foreach_div_(x, a.to(x[0].scalar_type())); }
void approach_(const Tensors& x, const Tensors& y, const Scalars& a) { at::_foreach_lerp_(x, y, a); }
void approach_(const Tensors& x, const Tensors& y, const at::Tensor& a) { at::_foreach_lerp_(x, y, Tensors(x.size(), a.to(x[0].scalar_type()))); }

at::Tensor norms_there(const Tensors& x) {
  const bool any_half = std::any_of(x.begin(), x.end(), is_half), all_half = std::all_of(x.begin(), x.end(), is_half);
  if (any_half == all_half) return at::stack(at::_foreach_norm(x, 2, any_half ? std::optional(at::kFloat) : std::nullopt)).to(at::kDouble);
  Tensors each;
  for (const auto& tensor : x) each.push_back(at::linalg_vector_norm(tensor, 2, std::nullopt, false, is_half(tensor) ? std::optional(at::kFloat) : std::nullopt).to(at::kDouble));
  return at::stack(each);
}
void scale_each_(const Tensors& x, const at::Tensor& a) { at::_foreach_mul_(x, a.to(x[0].scalar_type()).unbind()); }

at::Tensor root_sizes_there(const Tensors& x) {
  Tensors roots;  // a graph can be filled by kernels alone, not from the CPU's memory
  for (const auto& each : x) roots.push_back(at::full({}, std::sqrt(static_cast<double>(each.numel())), each.options().dtype(at::kDouble)));
  return at::stack(roots);
}

std::vector<Scalars> numbers_of(const Base& base, const Part& part) {
  std::vector<Scalars> result;
  for (const auto k : part.index) {
    const auto numbers = base.numbers(part.h, k);
    result.resize(numbers.size());
    for (size_t i = 0; i < numbers.size(); i++) result[i].emplace_back(numbers[i]);
  }
  return result;
}

double kept(const at::Tensor& state, double otherwise) {
  if (!state.defined()) return otherwise;
  return state.is_cpu() && state.scalar_type() == at::kFloat ? *state.const_data_ptr<float>() : state.item<double>();
}

std::vector<double> norms(const Tensors& x) {
  if (x.empty()) return {};
  const auto each = at::stack(at::_foreach_norm(x, 2, is_half(x[0]) ? std::optional(at::kFloat) : std::nullopt)).to(at::kCPU, at::kDouble);
  const auto* values = each.const_data_ptr<double>();
  return {values, values + each.numel()};
}

Tensors pick(const Tensors& all, const std::vector<size_t>& index) {
  Tensors result;
  result.reserve(index.size());
  for (const auto k : index) result.push_back(all[k]);
  return result;
}

}  // namespace steppe::optim
