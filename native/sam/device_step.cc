#include "device_step.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/Exception.h>

namespace steppe::sam {
namespace {

Tensors tensors_of(const DevicePasses::Inputs& inputs) {
  Tensors tensors;
  for (const auto& input : inputs) tensors.push_back(input.tensor);
  return tensors;
}

bool any_draws(const DevicePasses::Programs& programs) {
  return std::any_of(programs.begin(), programs.end(), [](const auto& entry) { return entry.second->draws; });
}

}  // namespace

DeviceStep::DeviceStep(Settings settings, DevicePasses::Programs programs, Tensors buffers, const DevicePasses::Inputs& inputs, int64_t batch_size,
                       at::Device device, bool captures, const std::atomic<bool>& cancelled)
    : settings_(std::move(settings)),
      passes_{std::move(programs), std::move(buffers), {}, batch_size},
      device_(device),
      cancelled_(cancelled),
      method_(settings_.method),
      noise_(any_draws(passes_.programs), settings_.same_noise, drawing_places(tensors_of(inputs), passes_.programs),
             settings_.micro != nullptr ? &settings_.micro->starts() : nullptr),
      branches_(device),
      repeated_(device, captures) {
  if (settings_.micro != nullptr) {
    passes_.batches = settings_.micro->batches();
    passes_.sum = &settings_.micro->sum();
  } else {
    passes_.batches.emplace_back();
    for (const auto& [tensor, batched] : inputs) passes_.batches[0].push_back({at::empty_like(tensor), batched});
  }
  for (const auto& [key, program] : passes_.programs) {
    has_gradient_.resize(program->gradient_registers.size());
    for (size_t k = 0; k < has_gradient_.size(); k++) has_gradient_[k] |= program->gradient_registers[k] >= 0;
    turns_alike_ &= program->turns == passes_.programs.begin()->second->turns;
  }
  turns_alike_ &= !device_.is_cpu();  // there the pieces run one after the other
}

std::optional<Report> DeviceStep::operator()(const Given& given) {
  at::NoGradGuard no_grad;
  const auto& step = given.step;
  if (!step.base.is_ready(step.w, has_gradient_, step.group_of, step.groups) || !method_.is_ready(settings_.kind, step, given.memory, has_gradient_))
    return std::nullopt;
  if (auto now = fixed(given); now != fixed_) {
    fixed_ = std::move(now);
    repeated_.renew();
    method_.forget();
  }
  set_inputs(given);
  set_numbers(given);
  noise_.remember();
  try {
    repeated_([&](device::Graph* captured) { work(given, captured); }, noise_.needs(device_), [&] { noise_.take_back(); });
  } catch (...) {
    noise_.take_back();
    throw;
  }
  const auto numbers = report_.to(at::kCPU);
  const auto* values = numbers.const_data_ptr<double>();
  if (values[3] != 0) {
    noise_.take_back();
    return std::nullopt;
  }
  const auto* number = values + 4;
  for (const auto& name : remembered_) {
    auto& held = memory_held_.at(name);
    held.assign(number, number + held.size());
    number += held.size();
    *given.memory.numbers.at(name) = held;
  }
  step.base.count_on_device(has_gradient_, step.group_of, step.groups);
  Report report;
  report.loss = values[0];
  if (perturbed_) report.perturbed_loss = values[1];
  report.grad_norm = values[2];
  report.has_gradient = report.updated = true;
  return report;
}

DeviceStep::Fixed DeviceStep::fixed(const Given& given) const {
  Fixed fixed;
  const auto& step = given.step;
  const auto note = [&](const Tensors& tensors) {
    for (const auto& tensor : tensors) fixed.places.push_back(tensor.defined() && tensor.has_storage() ? tensor.const_data_ptr() : nullptr);
  };
  note(step.w);
  note(passes_.buffers);
  for (const auto& [name, tensors] : step.base.state()) note(*tensors);
  for (const auto& [name, tensors] : given.memory.tensors) note(*tensors);
  for (const auto& group : step.groups) {
    fixed.numbers.push_back(group.perturb);
    fixed.numbers.push_back(group.rho != 0);
    for (const auto& [name, value] : group.base)
      if (name != "lr" && value == value) fixed.numbers.push_back(value);
  }
  return fixed;
}

void DeviceStep::set_inputs(const Given& given) {
  for (size_t i = 0; i < given.inputs.size(); i++) at::Tensor(passes_.batches[0][i].tensor).copy_(given.inputs[i].tensor, /*non_blocking=*/true);
}

void DeviceStep::set_numbers(const Given& given) {
  const auto& groups = given.step.groups;
  base_.resize(groups.size());
  for (size_t g = 0; g < groups.size(); g++) {
    lr_.set(g, groups[g]["lr"], device_);
    rho_.set(g, groups[g].rho, device_);
    size_t k = 0;  // of those that are updated all have the same numbers
    while (k < has_gradient_.size() && (!has_gradient_[k] || given.step.group_of[k] != g)) k++;
    if (k == has_gradient_.size()) continue;
    const auto values = given.step.base.numbers(groups[g], k);
    for (size_t i = 0; i < values.size(); i++) base_[g].set(i, values[i], device_);
  }
  for (const auto& [name, values] : given.memory.numbers) {
    auto& held = memory_held_[name];
    if (held == *values) continue;
    held = *values;
    const auto here = at::tensor(held, at::kDouble);
    if (auto& there = memory_[name]; there.defined()) {
      there.copy_(here);
    } else {
      there = here.to(device_);
    }
  }
  if (!settings_.scales_loss) return;
  scale_.set(0, given.loss_scale, device_);
  passes_.loss_scale = scale_.there[0];
}

// As Engine::clip.
void DeviceStep::clip(Tensors& d) const {
  const double value = settings_.max_grad_value;
  if (value > 0) {
    for (auto& each : d)
      if (each.defined()) each = at::clamp(each, -value, value);
  }
  const auto first = std::find_if(d.begin(), d.end(), [](const auto& each) { return each.defined(); });
  if (settings_.max_grad_norm == 0 || first == d.end()) return;
  d = there::scaled(d, at::clamp(there::norm(d, *first).add_(1e-6).reciprocal_().mul_(settings_.max_grad_norm), std::nullopt, 1));
}

void DeviceStep::work(const Given& given, device::Graph* captured) {
  const auto& step = given.step;
  noise_.begin_step(captured);
  DevicePasses passes(passes_, noise_, cancelled_);
  const DeviceMethod::Given numbers{lr_.there, rho_.there, given.memory, memory_, turns_alike_};
  method_.give(numbers);
  const bool arranges = settings_.arranges && settings_.kind == DeviceMethod::Kind::climbs;
  const Step arranged{arranges ? arrangement_.of(step.w, passes_.programs.begin()->second->layouts) : step.w,
                      step.names, step.in_subset, step.group_of, step.groups, step.base, step.passes, step.point, step.number, step.perturbs};
  auto outcome = method_(settings_.kind, arranged, passes, given.pieces, branches_);
  perturbed_ = outcome.perturbed_loss.defined();
  const auto bad = passes.bad();
  auto& d = outcome.d;
  lay_out_like(d, step.w);
  clip(d);
  step.turn(d);  // the base optimizer turns it itself
  for (auto& each : outcome.after)
    if (each.defined()) each = at::where(bad, at::zeros_like(each), each);
  // Nothing that can fail for want of memory comes after this.
  report_ = at::stack({outcome.loss, perturbed_ ? outcome.perturbed_loss : outcome.loss, outcome.norm, bad.to(at::kDouble)});
  remembered_.clear();
  Tensors report{report_};
  for (const auto& [name, next] : outcome.numbers) {
    remembered_.push_back(name);
    report.push_back(next);
    outcome.state.emplace_back(memory_.at(name), next);
  }
  report_ = at::cat(report);
  std::vector<Tensors> of_base;
  for (const auto& each : base_) of_base.push_back(each.there);
  step.base.step_on_device(step.w, d, step.group_of, step.groups, of_base, bad);
  for (size_t k = 0; k < outcome.after.size(); k++)
    if (outcome.after[k].defined()) at::Tensor(step.w[k]).add_(outcome.after[k]);
  for (const auto& [now, next] : outcome.state) there::take_over(now, next, bad);
  passes.commit(bad);
}

}  // namespace steppe::sam
