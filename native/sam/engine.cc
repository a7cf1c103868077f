#include "engine.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/clamp.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "../device/accelerator.h"
#include "../errors.h"
#include "../kernel_threads.h"
#include "../step_tensors.h"
#include "../step_memory.h"
#include "minimize.h"

namespace steppe::sam {

const optim::Groups& Plan::at(int64_t steps) const {
  return groups[static_cast<size_t>(std::clamp<int64_t>(steps - first, 0, static_cast<int64_t>(groups.size()) - 1))];
}

void LossScale::update(bool good) {
  if (interval == 0) return;
  if (!good) {
    scale = std::max<double>(scale * backoff, std::numeric_limits<float>::min());
    good_steps = 0;
  } else if (++good_steps >= interval) {
    if (scale * growth <= std::numeric_limits<float>::max()) scale *= growth;
    good_steps = 0;
  }
}

Engine::Engine(Settings settings, Tensors parameters, std::vector<std::string> names, Tensors buffers, std::vector<uint32_t> group_of,
               std::vector<uint8_t> in_subset)
    : settings_(std::move(settings)),
      w_(std::move(parameters)),
      names_(std::move(names)),
      buffers_(std::move(buffers)),
      group_of_(std::move(group_of)),
      in_subset_(std::move(in_subset)),
      method_(settings_.method, w_.size()),
      base_(optim::make_base(settings_.base, w_.size())),
      holds_threads_(std::all_of(w_.begin(), w_.end(), [](const auto& w) { return w.is_cpu(); })),
      arranges_(method_.rule == nullptr && method_.climb->takes_pass() && memory().tensors.empty()),
      window_(w_) {
  for (size_t k = 0; k < w_.size(); k++) {
    if (!at::isFloatingType(w_[k].scalar_type())) fail_expected("parameters of a floating-point dtype", names_[k], c10::toString(w_[k].scalar_type()));
    if (!w_[k].is_non_overlapping_and_dense()) fail_expected("parameters whose elements lie densely in memory", names_[k], "a strided view");
  }
}

Step Engine::step_over(Passes& passes, const Plan& plan) {
  return {w_, names_, in_subset_, group_of_, plan.at(counters.steps), *base_, passes, point_, counters.method_steps, settings_.perturbs};
}

// A group's radius counts if the method perturbs any parameter of it.
bool Engine::any_radius(const optim::Groups& groups) const {
  for (size_t k = 0; k < w_.size(); k++) {
    const auto& group = groups[group_of_[k]];
    if (group.perturb && group.rho != 0 && in_subset_[k] != 0 && w_[k].requires_grad()) return true;
  }
  return false;
}

bool Engine::is_active(const Step& step) const { return settings_.perturbs && any_radius(step.groups) && counters.steps >= settings_.start_step; }

std::vector<Part*> Engine::active_parts(const Step& step) const { return is_active(step) ? method_.parts() : std::vector<Part*>{}; }

Report Engine::step(Passes& passes, const Plan& plan) {
  at::NoGradGuard no_grad;
  const auto step = step_over(passes, plan);
  return take(step, [&](Report& report) {
    if (auto* minimizer = base_->minimizer()) {
      begin(step, true);
      minimize(*minimizer, step, report);
    } else {
      std::optional<HeldKernelThreads> threads;
      if (holds_threads_) threads.emplace();
      descend(step, direction(step, report));
    }
  });
}

// Where memory runs out, once more without what is kept from step to step for speed alone; with other random numbers.
Tensors Engine::direction(const Step& step, Report& report) {
  const auto compute = [&] {
    begin(step, true);
    if (!is_active(step)) return base_direction(step, report);
    auto d = method_direction(arranged(step), report);
    lay_out_like(d, step.w);
    return d;
  };
  try {
    return compute();
  } catch (...) {
    if (!is_out_of_memory()) throw;
  }
  for (auto* part : active_parts(step)) part->discard();
  step.passes.set_moved_buffers({});
  report = {};
  point_ = {};
  arrangement_ = {};
  shard_points_.clear();
  forget_device_steps();
  StepMemory::release();
  device::empty_caches();
  return compute();
}

Step Engine::arranged(const Step& step) {
  const auto* layouts = arranges_ ? step.passes.parameter_layouts() : nullptr;
  if (layouts == nullptr) return step;
  return {arrangement_.of(step.w, *layouts), step.names, step.in_subset, step.group_of, step.groups,
          step.base, step.passes, step.point, step.number, step.perturbs};
}

void Engine::begin(const Step& step, bool decides) {
  if (!is_active(step)) return;
  if (method_.rule != nullptr) return method_.rule->begin(step);
  if (decides) method_.when->begin(step);
  if (!method_.when->before(step)) return;  // the base optimizer's own step, with its noise
  for (auto* part : method_.parts())
    if (part != method_.when.get()) part->begin(step);
}

Report Engine::take(const Step& step, const std::function<void(Report&)>& advance) {
  const bool active = is_active(step);
  const auto parts = active_parts(step);
  const auto discard = [&] {
    for (auto* part : parts) part->discard();
  };
  Report report;
  try {
    advance(report);
    step.passes.commit();
    for (auto* part : parts) part->commit();
    counters.steps++;
    counters.method_steps += active;
    loss_scale.update(true);
    report.updated = true;
  } catch (const NonFinite& found) {
    discard();
    loss_scale.update(false);
    if (throws_non_finite()) fail(Code::non_finite, found.message);
    if (!report.has_gradient) {
      report.loss = found.loss;
      report.grad_norm = found.norm;
    }
    report.skipped = true;
  } catch (...) {
    discard();
    throw;
  }
  return report;
}

void Engine::descend(const Step& step, Tensors d) {
  clip(d);
  step.turn(d);  // the base optimizer turns it itself
  base_->step(w_, d, group_of_, step.groups);
  retire(d);
  if (is_active(step)) (method_.rule != nullptr ? method_.rule->finish(step) : method_.combine->finish(step));
}

std::vector<int64_t> Engine::sample_counts(int64_t batch_size) const {
  std::vector<int64_t> counts;
  const auto& planned = plan->groups;
  const auto has_radius = [this](const optim::Groups& groups) { return any_radius(groups); };
  if (batch_size < 0 || !settings_.perturbs || std::none_of(planned.begin(), planned.end(), has_radius)) return {batch_size};
  // Whole batches: the base optimizer's own steps (before startStep, or with rho 0), and those that take no perturbation.
  if (settings_.start_step > 0 || settings_.method.contains("when") || !std::all_of(planned.begin(), planned.end(), has_radius))
    counts.push_back(batch_size);
  for (const auto& more : {method_.split->counts(batch_size), method_.descend->counts(batch_size)})
    for (const auto count : more)
      if (std::find(counts.begin(), counts.end(), count) == counts.end()) counts.push_back(count);
  return counts;
}

Tensors Engine::base_direction(const Step& step, Report& report) {
  step.passes.begin_piece();
  const auto g = step.at_w({.moves_buffers = true}, "the");
  report_gradient(g, {}, report);
  return g.g;
}

Tensors Engine::method_direction(const Step& step, Report& report) {
  if (method_.rule != nullptr) {
    step.passes.begin_piece();
    return (*method_.rule)(step, report);
  }
  Tensors d(w_.size());
  if (!method_.when->before(step)) {
    step.passes.begin_piece();
    const auto g = step.at_w({.moves_buffers = true}, "the");
    report_gradient(g, {}, report);
    d = method_.combine->plain(g, step);
  } else {
    step.passes.begin_piece();
    d = sum_of_pieces(step, (*method_.split)(step, report), report);
  }
  method_.climb->observe(d);
  return d;
}

// torch.nn.utils.clip_grad_value_, then clip_grad_norm_, but out of place: a gradient may share memory with an input.
void Engine::clip(Tensors& d) const {
  if (settings_.max_grad_value <= 0 && settings_.max_grad_norm <= 0) return;
  if (settings_.max_grad_value > 0) {
    HeldKernelThreads::let_go();
    for (auto& each : d)
      if (each.defined()) each = at::clamp(each, -settings_.max_grad_value, settings_.max_grad_value);
  }
  if (settings_.max_grad_norm > 0) {
    const double coefficient = settings_.max_grad_norm / (norm(d) + 1e-6);
    if (coefficient < 1) d = scaled(std::move(d), coefficient);
  }
}

Memory Engine::memory() const {
  Memory memory;
  if (method_.rule != nullptr) {
    method_.rule->remember(memory);
  } else {
    for (auto* part : method_.parts()) part->remember(memory);
  }
  return memory;
}

void Engine::recalled() {
  for (auto* part : method_.parts()) part->recalled();
  forget_device_steps();  // made for another loss scale, perhaps
}

}  // namespace steppe::sam
