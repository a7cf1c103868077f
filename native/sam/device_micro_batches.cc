#include "device_micro_batches.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

namespace steppe::sam {

DeviceMicroBatches::DeviceMicroBatches(Settings settings, const Tensors& w, const DevicePasses::Inputs& inputs, bool captures, const std::atomic<bool>& cancelled)
    : settings_(std::move(settings)), cancelled_(cancelled), batches_(settings_.micros), starts_(settings_.micros, NoiseState({w.front()})), repeated_(w.front().device(), captures) {
  for (const auto& [tensor, batched] : inputs) {
    present_.push_back({at::empty_like(tensor), batched});
    for (auto& batch : batches_) batch.push_back({at::empty_like(tensor), batched});
  }
  sum_.loss = there::number(0, w.front());
  sum_.buffers = settings_.buffers;
  for (const auto b : settings_.program->changed_buffers) sum_.buffers[b] = at::empty_like(settings_.buffers[b]);
  sum_.g.resize(w.size());
  for (size_t k = 0; k < w.size(); k++)
    if (settings_.program->gradient_registers[k] >= 0) sum_.g[k] = at::zeros_like(w[k]);
}

void DeviceMicroBatches::operator()(const Step& step, const DevicePasses::Inputs& inputs, size_t index, double loss_scale) {
  at::NoGradGuard no_grad;
  std::vector<const void*> places;
  std::vector<uint8_t> perturbed;
  for (size_t k = 0; k < step.w.size(); k++) {
    places.push_back(step.w[k].const_data_ptr());
    perturbed.push_back(step.is_perturbed(k));
  }
  for (const auto& buffer : settings_.buffers) places.push_back(buffer.const_data_ptr());
  if (places != places_ || perturbed != perturbed_) repeated_.renew();
  places_ = std::move(places);
  perturbed_ = std::move(perturbed);
  for (size_t i = 0; i < inputs.size(); i++)
    for (const auto* batch : {&present_, &batches_.at(index)}) at::Tensor((*batch)[i].tensor).copy_(inputs[i].tensor, /*non_blocking=*/true);
  if (index == 0) {
    Tensors to, from;
    for (const auto b : settings_.program->changed_buffers) {
      to.push_back(sum_.buffers[b]);
      from.push_back(settings_.buffers[b]);
    }
    copy(to, from);
    for (auto& each : sum_.g)  // what a step left that met NaN
      if (each.defined()) each.zero_();
    sum_.loss.zero_();
  }
  const auto device = step.w.front().device();
  share_.set(0, 1 / static_cast<double>(index + 1), device);
  share_.set(1, 1 - share_.held[0], device);
  if (settings_.scales_loss) scale_.set(0, loss_scale, device);
  if (settings_.program->draws) starts_.at(index).save();
  repeated_([&](device::Graph*) { work(step); }, {}, [] {});
}

void DeviceMicroBatches::work(const Step& step) {
  Tensors inputs;
  for (const auto& input : present_) inputs.push_back(input.tensor);
  const auto [loss, g] = pass_on_device(*settings_.program, {step.w, sum_.buffers, inputs, {}, {}}, Objective::loss,
                                        settings_.scales_loss ? scale_.there[0] : at::Tensor(), step.w, cancelled_);
  const auto &like = step.w.front(), &share = share_.there[0], &rest = share_.there[1];
  report_ = at::stack({loss, there::norm(step.perturbed_part(g), like), there::norm(g, like)});
  const auto mean = there::add(there::scaled(sum_.g, rest), g, share);
  Tensors to, from;
  for (size_t k = 0; k < g.size(); k++) {
    if (!sum_.g[k].defined()) continue;
    to.push_back(sum_.g[k]);
    from.push_back(mean[k]);
  }
  copy(to, from);
  sum_.loss.mul_(rest).add_(loss.mul(share));
}

DeviceMicroBatches::Outcome DeviceMicroBatches::outcome() const {
  const auto numbers = report_.to(at::kCPU);
  const auto* values = numbers.const_data_ptr<double>();
  return {values[0], values[1], std::isfinite(values[2])};
}

}  // namespace steppe::sam
