#include "vectors.h"

#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sum.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>

#include "../elements.h"
#include "../kernel_threads.h"
#include "../kernels/transposition.h"
#include "../step_tensors.h"

namespace steppe::sam {
namespace {

bool before(const at::Device& a, const at::Device& b) { return a.type() != b.type() ? a.type() < b.type() : a.index() < b.index(); }

// A norm on its way: squares that are summed already, and norms of the other tensors.
struct PartsOfNorm {
  double squares = 0;
  Tensors norms;
};

double total(const std::vector<double>& parts) { return std::accumulate(parts.begin(), parts.end(), 0.0); }

PartsOfNorm parts_of_norm(const Tensors& x) {
  PartsOfNorm parts;
  std::vector<const at::Tensor*> ours;
  ours.reserve(x.size());
  Tensors rest, narrow;  // of the last a norm might not be finite in their own dtype
  for (const auto& tensor : x) {
    if (!tensor.defined() || tensor.numel() == 0) continue;
    if (elements::fits(tensor)) {
      ours.push_back(&tensor);
    } else {
      (is_narrow(tensor) ? narrow : rest).push_back(tensor);
    }
  }
  parts.squares = total(elements::square_sums(ours));
  if (!rest.empty() || !narrow.empty()) HeldKernelThreads::let_go();
  if (!rest.empty()) parts.norms = at::_foreach_norm(rest, 2);
  if (!narrow.empty()) {
    const auto norms = at::_foreach_norm(narrow, 2, at::kFloat);
    parts.norms.insert(parts.norms.end(), norms.begin(), norms.end());
  }
  return parts;
}

double whole(const PartsOfNorm& parts, const std::vector<double>& norms) {
  double sum = parts.squares;
  for (const auto value : norms) sum += value * value;
  return std::sqrt(sum);
}

}  // namespace

bool is_narrow(const at::Tensor& x) { return x.scalar_type() == at::kHalf || x.scalar_type() == at::kBFloat16; }

at::Tensor widened(const at::Tensor& x) { return is_narrow(x) ? x.to(at::kFloat) : x; }

std::vector<double> values(const Tensors& scalars) {
  std::vector<double> result(scalars.size());
  std::map<at::Device, std::vector<size_t>, decltype(&before)> elsewhere(&before);
  for (size_t i = 0; i < scalars.size(); i++) {
    if (scalars[i].is_cpu()) {
      const bool is_plain = scalars[i].scalar_type() == at::kFloat && !scalars[i].is_neg();
      result[i] = is_plain ? *scalars[i].const_data_ptr<float>() : scalars[i].item<double>();
    } else {
      elsewhere[scalars[i].device()].push_back(i);
    }
  }
  for (const auto& [device, indices] : elsewhere) {
    Tensors together;
    for (const auto i : indices) together.push_back(scalars[i].reshape({}));
    const auto here = at::stack(together).to(at::kCPU, at::kDouble);
    for (size_t i = 0; i < indices.size(); i++) result[indices[i]] = here.const_data_ptr<double>()[i];
  }
  return result;
}

double norm(const Tensors& x) {
  const auto parts = parts_of_norm(x);
  return whole(parts, values(parts.norms));
}

std::pair<double, double> norm_with(const Tensors& x, const at::Tensor& value) {
  auto parts = parts_of_norm(x);
  parts.norms.push_back(value);
  auto numbers = values(parts.norms);
  const double last = numbers.back();
  numbers.pop_back();
  return {whole(parts, numbers), last};
}

std::vector<double> norms(const Tensors& x) {
  std::vector<double> result(x.size(), 0);
  std::vector<size_t> places, rest;
  std::vector<const at::Tensor*> ours;
  for (size_t k = 0; k < x.size(); k++) {
    if (!x[k].defined()) continue;
    if (elements::fits(x[k])) {
      places.push_back(k);
      ours.push_back(&x[k]);
    } else {
      rest.push_back(k);
    }
  }
  const auto squares = elements::square_sums(ours);
  for (size_t i = 0; i < places.size(); i++) result[places[i]] = std::sqrt(squares[i]);
  if (rest.empty()) return result;
  HeldKernelThreads::let_go();
  Tensors lengths;
  for (const auto k : rest)
    lengths.push_back(at::linalg_vector_norm(x[k], 2, std::nullopt, false, is_narrow(x[k]) ? std::optional(at::kFloat) : std::nullopt));
  const auto numbers = values(lengths);
  for (size_t i = 0; i < rest.size(); i++) result[rest[i]] = numbers[i];
  return result;
}

double dot(const Tensors& x, const Tensors& y) {
  std::vector<elements::Pair> ours;
  std::vector<size_t> rest;
  for (size_t k = 0; k < x.size(); k++) {
    if (!x[k].defined() || !y[k].defined()) continue;
    if (elements::fits(x[k]) && elements::lies_like(y[k], x[k])) {
      ours.push_back({&x[k], &y[k]});
    } else {
      rest.push_back(k);
    }
  }
  const double sum = total(elements::product_sums(ours));
  if (rest.empty()) return sum;
  HeldKernelThreads::let_go();
  Tensors products;
  for (const auto k : rest) products.push_back(at::sum(at::mul(widened(x[k]), widened(y[k]))));
  return sum + total(values(products));
}

namespace {

// Where a dimension has one element, its stride says nothing.
bool lies_as(const at::Tensor& x, at::IntArrayRef sizes, at::IntArrayRef strides) {
  if (!x.sizes().equals(sizes)) return false;
  for (int64_t d = 0; d < x.dim(); d++)
    if (x.size(d) != 1 && x.stride(d) != strides[d]) return false;
  return true;
}
bool lie_alike(const at::Tensor& x, const at::Tensor& y) { return lies_as(x, y.sizes(), y.strides()); }

bool is_small(const at::Tensor& x) { return x.is_cpu() && x.layout() == at::kStrided && x.nbytes() <= 1 << 16 && x.is_non_overlapping_and_dense(); }

}  // namespace

// at::empty_like; on the CPU without the way through the dispatcher, which takes as long as a small tensor's copy.
at::Tensor new_like(const at::Tensor& x) {
  if (!x.is_cpu() || x.layout() != at::kStrided || !x.is_non_overlapping_and_dense()) return at::empty_like(x);
  return new_strided(x.sizes(), x.strides(), x.scalar_type());
}

at::Tensor in_place_of(const at::Tensor& x) { return is_sole(x) ? x : new_like(x); }

void lay_out(at::Tensor& g, at::IntArrayRef sizes, at::IntArrayRef strides, at::ScalarType dtype) {
  if (!g.defined() || (g.strides() == strides && g.scalar_type() == dtype)) return;
  if (g.scalar_type() == dtype && g.layout() == at::kStrided && lies_as(g, sizes, strides)) {
    auto view = view_of(g, sizes, strides, 0);
    retire(g);
    g = std::move(view);
    return;
  }
  auto copy = g.is_cpu() ? new_strided(sizes, strides, dtype) : at::empty_strided(sizes, strides, g.options().dtype(dtype));
  copy_values(copy, g);
  g = std::move(copy);
}

void lay_out_like(Tensors& gradients, const Tensors& parameters) {
  for (size_t k = 0; k < gradients.size(); k++) lay_out(gradients[k], parameters[k].sizes(), parameters[k].strides(), parameters[k].scalar_type());
}

void copy(const Tensors& to, const Tensors& from) {
  // One launch for all tensors of a kind, where launches cost.
  std::map<at::ScalarType, std::pair<Tensors, Tensors>> elsewhere;
  for (size_t k = 0; k < to.size(); k++) {
    const bool same = to[k].scalar_type() == from[k].scalar_type();
    if (same && is_small(to[k]) && is_small(from[k]) && lie_alike(to[k], from[k]) && to[k].is_neg() == from[k].is_neg() && to[k].is_conj() == from[k].is_conj()) {
      std::memcpy(to[k].mutable_data_ptr(), from[k].const_data_ptr(), from[k].nbytes());
      to[k].unsafeGetTensorImpl()->bump_version();
    } else if (to[k].is_cpu() || !same) {
      to[k].copy_(from[k]);
    } else {
      auto& [all_to, all_from] = elsewhere[to[k].scalar_type()];
      all_to.push_back(to[k]);
      all_from.push_back(from[k]);
    }
  }
  for (const auto& [dtype, pair] : elsewhere) at::_foreach_copy_(pair.first, pair.second);
}

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
