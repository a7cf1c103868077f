#include "engine.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/add.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/mul.h>

#include <algorithm>
#include <cmath>

#include "../errors.h"
#include "minimize.h"

namespace steppe::sam {
namespace {

bool any_radius(const optim::Groups& groups) {
  return std::any_of(groups.begin(), groups.end(), [](const auto& group) { return group.perturb && group.rho != 0; });
}

}  // namespace

Engine::Engine(Settings settings, Tensors parameters, std::vector<std::string> names, Tensors buffers, std::vector<uint32_t> group_of)
    : settings_(std::move(settings)),
      w_(std::move(parameters)),
      names_(std::move(names)),
      buffers_(std::move(buffers)),
      group_of_(std::move(group_of)),
      method_(make_method(settings_.method, settings_.options, w_.size())),
      base_(optim::make_base(settings_.base, w_.size())),
      point_(w_.size()),
      point_storage_(w_.size()) {
  for (size_t k = 0; k < w_.size(); k++) {
    if (!at::isFloatingType(w_[k].scalar_type())) fail_expected("parameters of a floating-point dtype", names_[k], c10::toString(w_[k].scalar_type()));
    if (!w_[k].is_non_overlapping_and_dense()) fail_expected("parameters whose elements lie densely in memory", names_[k], "a strided view");
  }
}

Report Engine::step(Passes& passes, const optim::Groups& groups) {
  at::NoGradGuard no_grad;
  NoiseState noise(w_);
  const Step step{w_, group_of_, groups, passes, noise, settings_.same_noise,
                  [this](const Gradient& gradient, const char* where) { require_finite(gradient, where); },
                  [this](const Tensors& direction, double scale) -> const Tensors& { return perturbed(direction, scale); }};
  Report report;
  try {
    if (auto* minimizer = base_->minimizer()) {
      minimize(*minimizer, step, report);
    } else {
      const bool perturbs = method_.perturbs && any_radius(groups) && steps_ >= settings_.start_step;
      Tensors d = perturbs ? perturbed_direction(step, report) : base_direction(step, report);
      clip(d);
      base_->step(w_, d, group_of_, groups);
    }
    passes.commit();
    if (method_.ascent) method_.ascent->commit();
    steps_++;
  } catch (const NonFinite& found) {
    if (method_.ascent) method_.ascent->discard();
    if (settings_.throw_non_finite) fail(Code::non_finite, found.message);
    report.skipped = true;
  } catch (...) {
    if (method_.ascent) method_.ascent->discard();
    throw;
  }
  return report;
}

std::vector<int64_t> Engine::sample_counts(int64_t batch_size) const {
  std::vector<int64_t> counts;
  const auto add = [&](Samples samples) {
    const auto count = samples.count < 0 ? batch_size : samples.count;
    if (std::find(counts.begin(), counts.end(), count) == counts.end()) counts.push_back(count);
  };
  // The base optimizer's own steps (before startStep, or with rho 0) run over the whole batch.
  if (!method_.perturbs || settings_.start_step > 0 || !any_radius(*groups)) add({});
  if (method_.perturbs && any_radius(*groups)) {
    for (const auto& piece : method_.split(batch_size)) {
      add(piece.climb);
      add(piece.descend);
    }
  }
  return counts;
}

Tensors Engine::base_direction(const Step& step, Report& report) {
  auto gradient = step.at_w({});
  report.loss = gradient.loss;
  report.grad_norm = gradient.norm;
  require_finite(gradient, "the");
  return std::move(gradient.g);
}

// d = Σ_j weight_j ∇L_j(w + ε_j), where ε_j comes from ∇L_j(w).
Tensors Engine::perturbed_direction(const Step& step, Report& report) {
  Tensors d(w_.size());
  report.perturbed_loss = 0;
  for (const auto& piece : method_.split(step.passes.batch_size())) {
    if (step.same_noise && step.passes.draws()) step.noise.save();
    const auto g = step.at_w(piece.climb);
    report.loss += piece.weight * g.loss;
    report.grad_norm += piece.weight * g.norm;
    require_finite(g, "the first pass's");
    const auto epsilon = (*method_.ascent)(g, step, piece.climb);
    const auto g_p = step.at_perturbed(epsilon.direction, epsilon.scale, piece.descend);
    *report.perturbed_loss += piece.weight * g_p.loss;
    require_finite(g_p, "the second pass's");
    for (size_t k = 0; k < d.size(); k++) {
      if (!g_p.g[k].defined()) continue;
      if (piece.weight == 1) {
        d[k] = g_p.g[k];
      } else if (d[k].defined()) {
        d[k].add_(g_p.g[k], piece.weight);
      } else {
        d[k] = at::mul(g_p.g[k], piece.weight);
      }
    }
  }
  return d;
}

const Tensors& Engine::perturbed(const Tensors& direction, double scale) {
  for (size_t k = 0; k < w_.size(); k++) {
    if (direction.empty() || !direction[k].defined()) {
      point_[k] = w_[k];
      continue;
    }
    auto& storage = point_storage_[k];
    if (!storage.defined() || storage.sizes() != w_[k].sizes() || storage.strides() != w_[k].strides() ||
        storage.scalar_type() != w_[k].scalar_type() || storage.device() != w_[k].device()) {
      storage = at::empty_like(w_[k]);
    }
    point_[k] = at::add_out(storage, w_[k], direction[k], scale);
  }
  return point_;
}

void Engine::require_finite(const Gradient& gradient, const char* where) const {
  if (std::isfinite(gradient.norm)) return;
  // The norm of finite numbers can overflow: only a bad element counts.
  for (size_t k = 0; k < gradient.g.size(); k++) {
    const auto& g = gradient.g[k];
    if (!g.defined() || at::isfinite(g).all().item<bool>()) continue;
    throw NonFinite{std::string("Not finite: ") + where + " gradient of " + names_[k] +
                    " holds NaN or infinity. The step was not taken; weights, buffers and state are as they were. "
                    "Use nonFinite: \"skip\" to skip such steps."};
  }
}

// torch.nn.utils.clip_grad_norm_, but out of place: a gradient may share memory with an input.
void Engine::clip(Tensors& d) const {
  if (settings_.max_grad_norm <= 0) return;
  const double coefficient = settings_.max_grad_norm / (norm(d) + 1e-6);
  if (!(coefficient < 1)) return;
  for (auto& each : d)
    if (each.defined()) each = at::mul(each, coefficient);
}

}  // namespace steppe::sam
