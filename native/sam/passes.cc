#include "passes.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "../errors.h"

namespace steppe::sam {
namespace {

// The fused kernels walk parameter and gradient side by side in memory: both must be laid out alike.
void lay_out_like(Tensors& gradients, const Tensors& parameters) {
  for (size_t k = 0; k < gradients.size(); k++) {
    auto& g = gradients[k];
    if (!g.defined() || (g.strides() == parameters[k].strides() && g.scalar_type() == parameters[k].scalar_type())) continue;
    g = at::empty_like(parameters[k]).copy_(g);
  }
}

}  // namespace

double norm(const Tensors& x) {
  Tensors defined;
  for (const auto& tensor : x)
    if (tensor.defined() && tensor.numel() > 0) defined.push_back(tensor);
  if (defined.empty()) return 0;
  double sum = 0;
  const auto type = defined.front().scalar_type();
  const bool narrow = type == at::kHalf || type == at::kBFloat16;
  const auto norms = at::_foreach_norm(defined, 2, narrow ? std::optional(at::kFloat) : std::nullopt);
  for (const auto& each : norms) {
    const double value = each.item<double>();
    sum += value * value;
  }
  return std::sqrt(sum);
}

Gradient ProgramPasses::at(const Tensors& point, Samples samples, bool moves_buffers) {
  at::NoGradGuard no_grad;
  const bool whole = samples.count < 0 || samples.count == batch_size_;
  const auto found = programs_.find(whole ? batch_size_ : samples.count);
  if (found == programs_.end()) fail(Code::internal, "No program was recorded for " + std::to_string(samples.count) + " samples.");
  const auto& program = *found->second;
  Tensors inputs;
  for (const auto& input : inputs_) inputs.push_back(whole || !input.batched ? input.tensor : input.tensor.narrow(0, samples.begin, samples.count));
  Tensors buffers = pending_.empty() ? buffers_ : pending_;
  for (const auto b : program.changed_buffers) {
    if (moves_buffers && !pending_.empty() && !pending_[b].is_same(buffers_[b])) continue;  // a copy already
    buffers[b] = buffers[b].clone();
  }
  auto outcome = program.run(point, buffers, inputs, cancelled_);
  if (moves_buffers && !program.changed_buffers.empty()) pending_ = buffers;
  lay_out_like(outcome.gradients, point);
  Gradient result{outcome.loss.item<double>(), std::move(outcome.gradients)};
  result.norm = norm(result.g);
  return result;
}

void ProgramPasses::commit() {
  at::NoGradGuard no_grad;
  for (size_t b = 0; b < pending_.size(); b++) {
    if (!pending_[b].is_same(buffers_[b])) buffers_[b].copy_(pending_[b]);
  }
}

bool ProgramPasses::draws() const {
  for (const auto& [count, program] : programs_)
    if (program->draws) return true;
  return false;
}

Gradient ClosurePasses::at(const Tensors& point, Samples, bool moves_buffers) {
  Tensors saved, buffers_before;
  {
    at::NoGradGuard no_grad;
    for (const auto& buffer : buffers_) buffers_before.push_back(buffer.clone());
    if (!pending_.empty() && moves_buffers)
      for (size_t b = 0; b < buffers_.size(); b++) buffers_[b].copy_(pending_[b]);
    for (size_t k = 0; k < parameters_.size(); k++) {
      const bool moved = !point[k].is_same(parameters_[k]);
      saved.push_back(moved ? parameters_[k].clone() : at::Tensor());
      if (moved) parameters_[k].copy_(point[k]);
    }
  }
  const auto restore = [&](bool keep_buffers) {
    at::NoGradGuard no_grad;
    for (size_t k = 0; k < parameters_.size(); k++)
      if (saved[k].defined()) parameters_[k].copy_(saved[k]);
    if (keep_buffers) {
      pending_.clear();
      for (const auto& buffer : buffers_) pending_.push_back(buffer.clone());
    }
    for (size_t b = 0; b < buffers_.size(); b++) buffers_[b].copy_(buffers_before[b]);
  };
  Gradient result;
  try {
    c10::AutoGradMode with_grad(true);
    const auto loss = loss_();
    Tensors wanted;
    for (const auto& parameter : parameters_)
      if (parameter.requires_grad()) wanted.push_back(parameter);
    const auto gradients = torch::autograd::grad({loss}, wanted, {}, false, false, /*allow_unused=*/true);
    result.loss = loss.item<double>();
    result.g.resize(parameters_.size());
    for (size_t k = 0, i = 0; k < parameters_.size(); k++)
      if (parameters_[k].requires_grad()) result.g[k] = gradients[i++];
  } catch (...) {
    restore(false);
    throw;
  }
  restore(moves_buffers);
  at::NoGradGuard no_grad;
  lay_out_like(result.g, parameters_);
  result.norm = norm(result.g);
  return result;
}

void ClosurePasses::commit() {
  at::NoGradGuard no_grad;
  for (size_t b = 0; b < pending_.size(); b++) buffers_[b].copy_(pending_[b]);
}

}  // namespace steppe::sam
