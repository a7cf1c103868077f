#pragma once
#include <atomic>
#include <memory>
#include <vector>

#include "../device/repeated_work.h"
#include "device_numbers.h"
#include "device_passes.h"

namespace steppe::sam {

// The passes at w of a step whose batch comes in micro-batches, as many samples in each: each is taken as its micro-batch comes, and
// adds to the mean of those before it. The same work for each of them, so that a GPU's is one graph. One for each number of samples.
class DeviceMicroBatches {
 public:
  struct Settings {
    std::shared_ptr<const Program> program;
    Tensors buffers;
    size_t micros;  // in a step
    bool scales_loss;
  };
  // `inputs`: of the first one, for their places in memory.
  DeviceMicroBatches(Settings settings, const Tensors& w, const DevicePasses::Inputs& inputs, bool captures, const std::atomic<bool>& cancelled);
  DeviceMicroBatches(const DeviceMicroBatches&) = delete;

  // Asks for the pass over the next micro-batch, the `index`th of its step.
  void operator()(const Step& step, const DevicePasses::Inputs& inputs, size_t index, double loss_scale);
  // What it gives, once the device is done.
  struct Outcome {
    double loss, norm;
    bool is_finite;
  };
  Outcome outcome() const;

  const DeviceSum& sum() const { return sum_; }
  // The generators before each pass, where it draws.
  const std::vector<NoiseState>& starts() const { return starts_; }
  const std::vector<DevicePasses::Inputs>& batches() const { return batches_; }
  bool replayed() const { return repeated_.replayed(); }
  const std::string& failure() const { return repeated_.failure(); }

 private:
  void work(const Step& step);

  Settings settings_;
  const std::atomic<bool>& cancelled_;
  std::vector<DevicePasses::Inputs> batches_;  // of the step
  DevicePasses::Inputs present_;               // the next one's
  DeviceSum sum_;
  std::vector<NoiseState> starts_;
  there::Numbers share_, scale_;               // of the next one in the mean, and of those before it; the loss scale
  at::Tensor report_;                          // loss, norm over the perturbed parameters, norm over all
  std::vector<const void*> places_;            // of weights and buffers: what the graph relies on
  std::vector<uint8_t> perturbed_;             // which of them are
  device::RepeatedWork repeated_;
};

}  // namespace steppe::sam
