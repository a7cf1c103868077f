#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../device/branches.h"
#include "../device/repeated_work.h"
#include "device_method.h"
#include "device_micro_batches.h"
#include "device_numbers.h"

namespace steppe::sam {

// A step as a fixed sequence of work, none of which needs a number on the CPU: radius, norms, the check for NaN, learning rate,
// loss scale and update stay where the weights are. So a GPU's can be captured and replayed as one launch. One for each batch
// size and kind of step; see Engine::step_on_device.
class DeviceStep {
 public:
  struct Settings {
    MethodSpec method;
    double max_grad_norm = 0, max_grad_value = 0;  // 0: no clipping
    bool same_noise = true;
    bool scales_loss = false;
    bool arranges = false;  // for the passes, w comes as they want it in memory
    DeviceMethod::Kind kind;
    std::shared_ptr<const DeviceMicroBatches> micro{};  // of a step over micro-batches
  };
  // `inputs`: of the first step, for their places in memory; of none where they are micro-batches. `captures`: in a graph; else call
  // by call.
  DeviceStep(Settings settings, DevicePasses::Programs programs, Tensors buffers, const DevicePasses::Inputs& inputs, int64_t batch_size, at::Device device,
             bool captures, const std::atomic<bool>& cancelled);
  DeviceStep(const DeviceStep&) = delete;

  // What changes from step to step.
  struct Given {
    const Step& step;
    const DevicePasses::Inputs& inputs;
    const std::vector<Piece>& pieces;
    const Memory& memory;
    double loss_scale;
  };
  // Takes the step. None where it was not taken, and nothing has changed: the state that it needs is not there yet, or a gradient
  // is not finite. The ordinary step then knows what to do.
  std::optional<Report> operator()(const Given& given);
  // Whether the last one was the replay of a captured graph.
  bool replayed() const { return repeated_.replayed(); }
  // Why nothing is captured although it was asked for; empty if all is well.
  const std::string& failure() const { return repeated_.failure(); }

 private:
  // What a captured step relies on: where everything lies, and each number that does not come as a tensor.
  struct Fixed {
    std::vector<const void*> places;
    std::vector<double> numbers;
    bool operator==(const Fixed&) const = default;
  };
  Fixed fixed(const Given& given) const;
  void set_numbers(const Given& given);
  void set_inputs(const Given& given);
  void work(const Given& given, device::Graph* captured);
  void clip(Tensors& d) const;

  Settings settings_;
  DevicePasses::Settings passes_;
  at::Device device_;
  const std::atomic<bool>& cancelled_;
  std::vector<uint8_t> has_gradient_;  // by parameter
  bool turns_alike_ = true;
  DeviceMethod method_;
  DeviceNoise noise_;
  device::Branches branches_;
  Arrangement arrangement_;
  there::Numbers lr_, rho_, scale_;  // of the first two one for each group
  std::vector<there::Numbers> base_;  // by group
  // The method's memory of numbers: as tensors, and what these hold.
  std::map<std::string, at::Tensor> memory_;
  std::map<std::string, std::vector<double>> memory_held_;
  std::vector<std::string> remembered_;  // those that the step changes, as they stand in the report
  Fixed fixed_;
  at::Tensor report_;                  // loss, loss at w + ε, norm, whether a gradient is not finite; the numbers that the method remembers
  device::RepeatedWork repeated_;
  bool perturbed_ = false;
};

}  // namespace steppe::sam
