// Gradient accumulation: a step whose batch comes in micro-batches, one per call.
#include <ATen/core/grad_mode.h>

#include <limits>

#include "../errors.h"
#include "engine.h"

namespace steppe::sam {

Report Engine::micro_step(std::shared_ptr<Passes> micro, const Tensors& generators, const Plan& plan) {
  at::NoGradGuard no_grad;
  NoiseState present(micro->drawing_places());
  present.save();
  bool closes = false;
  Report report;
  try {
    auto start = present;
    if (!generators.empty()) {
      start.set(generators);
      start.restore();
    }
    window_.include(std::move(micro), start.states());
    closes = static_cast<int64_t>(micros().size()) == settings_.accumulation_steps;
    report = settings_.perturbs_per_micro ? shard_step(plan, closes) : closes ? step(window_, plan) : pass_ahead(plan);
  } catch (...) {
    forget_micros();
    if (!generators.empty()) present.restore();
    throw;
  }
  if (closes) forget_micros();
  if (!generators.empty()) present.restore();
  return report;
}

void Engine::forget_micros() {
  window_.clear();
  device_window_ = {};
  shards_ = {};
  bad_shard_.reset();
}

// What the step will ask for at w is computed as the micro-batches come. Methods that begin elsewhere get the loss alone.
Report Engine::pass_ahead(const Plan& plan) {
  const auto step = step_over(window_, plan);
  std::optional<Objective> first = Objective::loss;
  if (is_active(step)) {
    if (method_.rule != nullptr) {
      first.reset();
    } else if (method_.when->before(step)) {  // a guess where that is drawn at random: a wrong one costs a pass
      first = method_.climb->at_w();
    }
  }
  Report report;
  if (auto gradient = first.has_value() ? window_.pass_ahead(*first) : std::nullopt) {
    try {
      step.require_finite(*gradient, "a micro-batch's");
    } catch (const NonFinite& found) {
      if (throws_non_finite()) fail(Code::non_finite, found.message);  // else the mean of the window is not finite either
    }
    step.measure(*gradient);
    report_gradient(*gradient, {}, report);
  } else {
    report.loss = micros().back().passes->loss(w_, {});
    report.grad_norm = std::numeric_limits<double>::quiet_NaN();
  }
  return report;
}

// mSAM: each micro-batch is a shard.
Report Engine::shard_step(const Plan& plan, bool closes) {
  const auto step = step_over(window_.begin_last(), plan);
  if (closes) {
    return take(step, [&](Report& report) {
      add_shard(step, report);
      if (bad_shard_.has_value()) throw NonFinite(*bad_shard_);
      descend(step, shards_.value);
    });
  }
  Report report;
  try {
    add_shard(step, report);
  } catch (const NonFinite& found) {
    if (throws_non_finite()) fail(Code::non_finite, found.message);
    bad_shard_ = found;
    if (!report.has_gradient) {
      report.loss = found.loss;
      report.grad_norm = found.norm;
    }
  }
  return report;
}

void Engine::add_shard(const Step& step, Report& report) {
  // Whether the step perturbs is decided once, for all its shards.
  begin(step, micros().size() == 1);
  const auto d = is_active(step) ? method_direction(step, report) : base_direction(step, report);
  window_.end_last();
  shards_.include(d, micros().back().weight);
}

}  // namespace steppe::sam
