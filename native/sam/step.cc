#include "step.h"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/neg.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "../elements.h"
#include "../kernel_threads.h"
#include "../kernels/transposition.h"
#include "../step_memory.h"
#include "../step_tensors.h"

namespace steppe::sam {

namespace {

constexpr const char* kHowToSkip = "Use nonFinite: \"skip\" to skip such steps.";

// Tensors that one launch moves, where launches cost: all of a dtype on a device that go equally far.
struct Together {
  double a;
  Tensors w, d;
  std::vector<size_t> index;
  bool takes(double by, const at::Tensor& tensor) const {
    return a == by && w.front().scalar_type() == tensor.scalar_type() && w.front().device() == tensor.device();
  }
};

// Memory that is kept from step to step: made anew where w has another form now.
at::Tensor& kept(at::Tensor& storage, at::IntArrayRef sizes, at::IntArrayRef strides, const at::Tensor& w) {
  const bool fits = storage.defined() && storage.sizes() == sizes && storage.strides() == strides && storage.scalar_type() == w.scalar_type() &&
                    storage.device() == w.device();
  if (!fits) storage = at::empty_strided(sizes, strides, w.options());
  return storage;
}

}  // namespace

Tensors Point::move(const Tensors& w, Perturbation epsilon, double times) {
  Tensors point(w.size());
  storage_.resize(w.size());
  std::vector<elements::Sum> here;
  here.reserve(w.size());
  std::vector<Together> groups;
  for (size_t k = 0; k < w.size(); k++) {
    if (epsilon.empty() || !epsilon.direction[k].defined() || epsilon.scale[k] == 0) {
      point[k] = w[k];
      continue;
    }
    const auto& d = epsilon.direction[k];
    const double a = times * epsilon.scale[k];
    if (!w[k].is_cpu()) {
      auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& each) { return each.takes(a, w[k]); });
      if (group == groups.end()) group = groups.insert(group, Together{a, {}, {}, {}});
      group->w.push_back(w[k]);
      group->d.push_back(d);
      group->index.push_back(k);
      continue;
    }
    if (elements::fits(w[k]) && elements::lies_like(d, w[k])) {
      const StepMemory memory;  // where gradients lie, too
      point[k] = in_place_of(d);
      here.emplace_back(point[k], w[k], d, a);
      continue;
    }
    auto& storage = kept(storage_[k], w[k].sizes(), w[k].strides(), w[k]);
    add_into(storage, w[k], d, a);
    point[k] = storage;
  }
  elements::add(here);
  for (const auto& group : groups) {
    const auto moved = at::_foreach_add(group.w, group.d, group.a);
    for (size_t i = 0; i < moved.size(); i++) point[group.index[i]] = moved[i];
  }
  return point;
}

const Tensors& Arrangement::of(const Tensors& w, const std::vector<Program::Layout>& layouts) {
  arranged_.resize(w.size());
  storage_.resize(w.size());
  for (size_t k = 0; k < w.size(); k++) {
    const auto& layout = layouts[k];
    const bool as_it_is = !layout.strided || w[k].strides().equals(layout.strides) || !w[k].sizes().equals(layout.sizes);  // the program refuses another shape
    auto& place = as_it_is ? w[k] : kept(storage_[k], layout.sizes, layout.strides, w[k]);
    if (!arranged_[k].is_same(place)) arranged_[k] = place;
    if (!as_it_is) copy_values(arranged_[k], w[k]);
  }
  return arranged_;
}

Tensors Step::perturbed_part(Tensors x) const {
  for (size_t k = 0; k < x.size(); k++)
    if (!is_perturbed(k)) x[k] = at::Tensor();
  return x;
}

double Step::norm(const Tensors& x) const { return sam::norm(perturbed_part(x)); }

double Step::share_along(const Tensors& x, const Tensors& u, double norm_of_u) const {
  return norm_of_u == 0 ? 0 : dot(x, perturbed_part(u)) / norm_of_u / norm_of_u;
}

void Step::measure(Gradient& gradient) const {
  gradient.is_measured = true;
  for (size_t k = 0; k < gradient.g.size(); k++) {
    if (!gradient.g[k].defined() || is_perturbed(k)) continue;
    gradient.norm = norm(gradient.g);
    return;
  }
}

Gradient Step::at_w(const Query& query, const char* where) const { return at(passes, w, query, where); }

Gradient Step::at(Perturbation epsilon, const Query& query, const char* where, double times) const {
  return at(passes, point.move(w, std::move(epsilon), times), query, where);
}

Gradient Step::at(Passes& over, Tensors there, const Query& query, const char* where) const {
  auto gradient = over.at(std::move(there), query);
  require_finite(gradient, where);
  measure(gradient);
  turn(gradient.g);
  return gradient;
}

void Step::turn(Tensors& g) const {
  for (size_t k = 0; k < g.size(); k++) {
    if (!g[k].defined() || group(k)["maximize"] == 0) continue;
    HeldKernelThreads::let_go();
    g[k] = at::neg(g[k]);
  }
}

void Step::require_finite_losses(const at::Tensor& losses, const char* where) const {
  if (at::isfinite(losses).all().item<bool>()) return;
  throw NonFinite{std::string("Not finite: ") + where + " losses hold NaN or infinity. The step was not taken; weights, buffers and state are as they were. " +
                  kHowToSkip, losses.mean().item<double>(), std::numeric_limits<double>::quiet_NaN()};
}

void Step::require_finite(const Gradient& gradient, const char* where) const {
  if (std::isfinite(gradient.norm)) return;
  // The norm of finite numbers can overflow: only a bad element counts.
  for (size_t k = 0; k < gradient.g.size(); k++) {
    const auto& g = gradient.g[k];
    if (!g.defined() || at::isfinite(g).all().item<bool>()) continue;
    throw NonFinite{std::string("Not finite: ") + where + " gradient of " + names[k] +
                    " holds NaN or infinity. The step was not taken; weights, buffers and state are as they were. " + kHowToSkip,
                    gradient.loss, gradient.norm};
  }
}

}  // namespace steppe::sam
