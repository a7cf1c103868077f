#include "device_step.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/div.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/logical_and.h>
#include <ATen/ops/logical_not.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/Exception.h>

namespace steppe::sam {
namespace {

// So many runs come before the one that is captured: kernels are loaded and workspaces made at the first.
constexpr int kWarmUps = 2;

Tensors those_there(const Tensors& x) {
  Tensors there;
  for (const auto& each : x)
    if (each.defined() && each.numel() > 0) there.push_back(each);
  return there;
}

// √Σ‖x_k‖² where x lies, in float64.
at::Tensor norm_in_place(const Tensors& x, const at::Tensor& like) {
  const auto there = those_there(x);
  if (there.empty()) return at::full({}, 0.0, like.options().dtype(at::kDouble));
  return at::linalg_vector_norm(at::stack(at::_foreach_norm(there, 2)).to(at::kDouble), 2);
}

}  // namespace

DeviceStep::DeviceStep(std::shared_ptr<const Program> program, Tensors buffers, Clipping clipping, bool captures, const std::atomic<bool>& cancelled)
    : program_(std::move(program)), buffers_(std::move(buffers)), clipping_(clipping), captures_(captures), cancelled_(cancelled) {}

std::optional<Report> DeviceStep::operator()(const Step& step, const Tensors& inputs, bool perturbs) {
  at::NoGradGuard no_grad;
  auto now = fixed(step, perturbs);
  if (now != fixed_ || !step.base.is_ready(step.w, program_->gradient_registers, step.group_of, step.groups)) {
    fixed_ = std::move(now);
    graph_.reset();
    runs_ = 0;
    return std::nullopt;
  }
  set_inputs(inputs);
  set_numbers(step);
  const auto all = [&] { work(step, perturbs); };
  replayed_ = false;
  if (!captures_) {
    all();
  } else {
    if (graph_ == nullptr) graph_ = std::make_unique<device::Graph>();
    if (!graph_->is_captured() && runs_ >= kWarmUps) {
      try {
        graph_->capture(all);
      } catch (const std::exception& error) {
        captures_ = false;
        graph_.reset();
        TORCH_WARN("A compiled step could not be captured in a CUDA graph, and goes on without: ", error.what());
      }
    }
    if (graph_ == nullptr) {
      all();
    } else if (graph_->is_captured()) {
      graph_->replay();
      replayed_ = true;
    } else {
      graph_->warm_up(all);
    }
  }
  runs_++;
  const auto numbers = report_.to(at::kCPU);
  const auto* values = numbers.const_data_ptr<double>();
  if (values[3] != 0) return std::nullopt;
  Report report;
  report.loss = values[0];
  if (perturbs) report.perturbed_loss = values[1];
  report.grad_norm = values[2];
  report.has_gradient = report.updated = true;
  return report;
}

DeviceStep::Fixed DeviceStep::fixed(const Step& step, bool perturbs) const {
  Fixed fixed;
  const auto note = [&](const Tensors& tensors) {
    for (const auto& tensor : tensors) fixed.places.push_back(tensor.defined() && tensor.has_storage() ? tensor.const_data_ptr() : nullptr);
  };
  note(step.w);
  note(buffers_);
  for (const auto& [name, tensors] : step.base.state()) note(*tensors);
  fixed.numbers.push_back(perturbs);
  for (const auto& group : step.groups) {
    fixed.numbers.push_back(group.perturb);
    fixed.numbers.push_back(group.rho != 0);
    for (const auto& [name, value] : group.base)
      if (name != "lr" && value == value) fixed.numbers.push_back(value);
  }
  return fixed;
}

void DeviceStep::set_inputs(const Tensors& inputs) {
  if (inputs_.size() != inputs.size()) {
    inputs_.clear();
    for (const auto& input : inputs) inputs_.push_back(at::empty_like(input));
  }
  for (size_t i = 0; i < inputs.size(); i++) inputs_[i].copy_(inputs[i], /*non_blocking=*/true);
}

void DeviceStep::set_numbers(const Step& step) {
  const auto options = at::TensorOptions().device(step.w.front().device());
  for (size_t g = 0; g < step.groups.size(); g++) {
    const std::pair wanted{step.groups[g]["lr"], step.groups[g].rho};
    if (g < lr_and_rho_held_.size() && lr_and_rho_held_[g] == wanted) continue;
    if (g == lr_and_rho_held_.size()) {
      lr_.push_back(at::full({}, wanted.first, options.dtype(at::kFloat)));  // the fused kernels want float32
      rho_.push_back(at::full({}, wanted.second, options.dtype(at::kDouble)));
      lr_and_rho_held_.push_back(wanted);
    } else {
      lr_[g].fill_(wanted.first);
      rho_[g].fill_(wanted.second);
      lr_and_rho_held_[g] = wanted;
    }
  }
}

// w + ρ g/‖g‖ over the perturbed parameters; w where the gradient is zero.
Tensors DeviceStep::point(const Step& step, const Tensors& g, const at::Tensor& norm) const {
  Tensors point = step.w;
  for (size_t group = 0; group < step.groups.size(); group++) {
    for (const auto dtype : {at::kFloat, at::kDouble}) {
      std::vector<size_t> index;
      Tensors w, d;
      for (size_t k = 0; k < point.size(); k++) {
        if (step.group_of[k] != group || !g[k].defined() || step.rho(k) == 0 || step.w[k].scalar_type() != dtype) continue;
        index.push_back(k);
        w.push_back(step.w[k]);
        d.push_back(g[k]);
      }
      if (index.empty()) continue;
      const auto scale = at::where(norm.eq(0), at::zeros_like(norm), at::div(rho_[group], norm)).to(dtype);
      const auto moved = at::_foreach_add(w, at::_foreach_mul(d, scale));
      for (size_t i = 0; i < index.size(); i++) point[index[i]] = moved[i];
    }
  }
  return point;
}

// As Engine::clip.
void DeviceStep::clip(Tensors& d) const {
  if (clipping_.value > 0) {
    for (auto& each : d)
      if (each.defined()) each = at::clamp(each, -clipping_.value, clipping_.value);
  }
  const auto there = those_there(d);
  if (clipping_.norm == 0 || there.empty()) return;
  const auto coefficient = at::clamp(at::div(at::full({}, clipping_.norm, there[0].options().dtype(at::kDouble)), norm_in_place(d, there[0]).add(1e-6)), std::nullopt, 1);
  for (auto& each : d)
    if (each.defined()) each = each.mul(coefficient.to(each.scalar_type()));
}

void DeviceStep::work(const Step& step, bool perturbs) {
  const auto originals = [&] {
    auto copies = buffers_;
    for (const auto b : program_->changed_buffers) copies[b] = copies[b].clone();
    return copies;
  };
  const auto moved = originals();
  auto first = program_->run({step.w, moved, inputs_}, cancelled_);
  auto& g = first.gradients;
  lay_out_like(g, step.w);
  const auto whole = norm_in_place(g, step.w[0]);
  const auto part = step.perturbed_part(g);
  const auto norm = norm_in_place(part, step.w[0]);
  auto finite = at::isfinite(whole);
  auto perturbed_loss = first.loss;
  auto d = g;
  if (perturbs) {
    const auto buffers = originals();
    auto second = program_->run({point(step, part, norm), buffers, inputs_}, cancelled_);
    lay_out_like(second.gradients, step.w);
    d = second.gradients;
    perturbed_loss = second.loss;
    finite = at::logical_and(finite, at::isfinite(norm_in_place(d, step.w[0])));
  }
  clip(d);
  const auto bad = at::logical_not(finite);
  step.base.step_on_device(step.w, d, step.group_of, step.groups, lr_, bad.to(at::kFloat));
  for (const auto b : program_->changed_buffers) at::Tensor(buffers_[b]).copy_(at::where(bad, buffers_[b], moved[b]));
  report_ = at::stack({first.loss.reshape({}).to(at::kDouble), perturbed_loss.reshape({}).to(at::kDouble), norm, bad.to(at::kDouble)});
}

}  // namespace steppe::sam
