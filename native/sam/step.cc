#include "step.h"

#include <ATen/ops/add.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/neg.h>

#include <cmath>

#include "small.h"

namespace steppe::sam {

const Tensors& Point::move(const Tensors& w, const Perturbation& epsilon, double times) {
  point_.resize(w.size());
  storage_.resize(w.size());
  for (size_t k = 0; k < w.size(); k++) {
    if (epsilon.empty() || !epsilon.direction[k].defined() || epsilon.scale[k] == 0) {
      point_[k] = w[k];
      continue;
    }
    auto& storage = storage_[k];
    if (!storage.defined() || storage.sizes() != w[k].sizes() || storage.strides() != w[k].strides() ||
        storage.scalar_type() != w[k].scalar_type() || storage.device() != w[k].device()) {
      storage = at::empty_like(w[k]);
    }
    const double a = times * epsilon.scale[k];
    if (!small::add(storage, w[k], epsilon.direction[k], a)) at::add_out(storage, w[k], epsilon.direction[k], a);
    point_[k] = storage;
  }
  return point_;
}

Tensors Step::perturbed_part(const Tensors& x) const {
  Tensors result = x;
  for (size_t k = 0; k < result.size(); k++)
    if (!is_perturbed(k)) result[k] = at::Tensor();
  return result;
}

double Step::norm(const Tensors& x) const { return sam::norm(perturbed_part(x)); }

Tensors Step::orthogonal(const Tensors& x, const Tensors& u) const {
  const auto there = perturbed_part(u);
  const double length = sam::norm(there);
  if (length == 0) return x;
  return add(x, u, -dot(x, there) / length / length);
}

void Step::measure(Gradient& gradient) const {
  for (size_t k = 0; k < gradient.g.size(); k++) {
    if (!gradient.g[k].defined() || is_perturbed(k)) continue;
    gradient.norm = norm(gradient.g);
    return;
  }
}

Gradient Step::at_w(const Query& query, const char* where) const { return at(passes, w, query, where); }

Gradient Step::at(const Perturbation& epsilon, const Query& query, const char* where, double times) const {
  return at(passes, point.move(w, epsilon, times), query, where);
}

Gradient Step::at(Passes& over, const Tensors& there, const Query& query, const char* where) const {
  auto gradient = over.at(there, query);
  require_finite(gradient, where);
  measure(gradient);
  turn(gradient.g);
  return gradient;
}

void Step::turn(Tensors& g) const {
  for (size_t k = 0; k < g.size(); k++)
    if (g[k].defined() && group(k)["maximize"] != 0) g[k] = at::neg(g[k]);
}

void Step::require_finite(const Gradient& gradient, const char* where) const {
  if (std::isfinite(gradient.norm)) return;
  // The norm of finite numbers can overflow: only a bad element counts.
  for (size_t k = 0; k < gradient.g.size(); k++) {
    const auto& g = gradient.g[k];
    if (!g.defined() || at::isfinite(g).all().item<bool>()) continue;
    throw NonFinite{std::string("Not finite: ") + where + " gradient of " + names[k] +
                    " holds NaN or infinity. The step was not taken; weights, buffers and state are as they were. "
                    "Use nonFinite: \"skip\" to skip such steps.",
                    gradient.loss, gradient.norm};
  }
}

}  // namespace steppe::sam
