// Engine::micro_step_on_device: a step on the device whose batch comes in micro-batches, one per call.
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "../device/accelerator.h"
#include "../errors.h"
#include "engine.h"

namespace steppe::sam {

std::optional<Report> Engine::micro_step_on_device(std::shared_ptr<Passes> micro, const DevicePasses::Programs& programs, const DevicePasses::Inputs& inputs,
                                                   const Plan& plan, bool captures, const std::atomic<bool>& cancelled) {
  at::NoGradGuard no_grad;
  const size_t index = micros().size();
  NoiseState before(micro->drawing_places());
  before.save();
  // Else the generators are left alone: JavaScript's thread may draw from them meanwhile.
  const bool draws = std::any_of(programs.begin(), programs.end(), [](const auto& each) { return each.second->draws; });
  // The ordinary step goes on from what it would have by now.
  const auto leave = [&]() -> std::optional<Report> {
    if (std::exchange(device_window_, {}).micros > 0) {
      try {
        window_.catch_up(Objective::loss, draws);
      } catch (...) {
        forget_micros();
        throw;
      }
    }
    if (draws) before.restore();
    return std::nullopt;
  };
  if (index != device_window_.micros || !can_stay(programs, inputs) || (captures && !w_.front().is_cuda())) return leave();
  const auto batch_size = micro->batch_size();
  const auto key = device_key(batch_size, DeviceMethod::Kind::base, programs);
  if (index > 0 && key != device_window_.key) return leave();
  try {
    if (index == 0) {
      auto& found = device_micros_[key];
      if (found == nullptr) {
        if (device_micros_.size() > kMostDeviceSteps) forget_device_steps();
        DeviceMicroBatches::Settings settings{programs.at({batch_size, Objective::loss}), buffers_, static_cast<size_t>(settings_.accumulation_steps), loss_scale.scales()};
        device_micros_[key] = std::make_shared<DeviceMicroBatches>(std::move(settings), w_, inputs, captures && may_capture(), cancelled);
      }
      device_window_ = {key, device_micros_[key]};
    }
    auto& device_micro = *device_window_.micro;
    device_micro(step_over(window_, plan), inputs, index, loss_scale.scale);
    note_failure(device_micro.failure());
    if (static_cast<int64_t>(index) + 1 < settings_.accumulation_steps) {
      const auto outcome = device_micro.outcome();
      if (!outcome.is_finite) return leave();
      window_.include(std::move(micro), before.states());
      device_window_.micros++;
      Report report;
      report.loss = outcome.loss;
      report.grad_norm = outcome.norm;
      report.has_gradient = true;
      return report;
    }
  } catch (...) {
    if (!is_out_of_memory()) {
      forget_micros();
      throw;
    }
    const auto micros = device_window_.micros;
    forget_device_steps();
    device_window_.micros = micros;
    device::empty_caches();
    return leave();
  }
  window_.include(std::move(micro), {});
  std::optional<Report> report;
  try {
    report = take_on_device(window_, {batch_size, programs, {}, device_window_.micro, captures, cancelled}, plan);
  } catch (...) {
    forget_micros();
    throw;
  }
  if (report.has_value()) {
    forget_micros();
    return report;
  }
  window_.remove_last();
  device_window_.micros = index;  // also after memory ran out
  return leave();
}

}  // namespace steppe::sam
