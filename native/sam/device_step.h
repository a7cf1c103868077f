#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../device/graph.h"
#include "step.h"

namespace steppe::sam {

// A step as a fixed sequence of work, none of which needs a number on the CPU: radius, norms, the check for NaN, learning rate
// and update stay where the weights are. So a GPU's can be captured and replayed as one launch. For SAM and for the base
// optimizer alone; see Engine::step_on_device.
class DeviceStep {
 public:
  struct Clipping {
    double norm = 0, value = 0;  // 0: none
  };
  // `captures`: in a graph; else call by call.
  DeviceStep(std::shared_ptr<const Program> program, Tensors buffers, Clipping clipping, bool captures, const std::atomic<bool>& cancelled);

  // Takes the step; `perturbs` is SAM's. None where it was not taken, and nothing has changed: the state that it needs is not
  // there yet, or has been replaced since, or a gradient is not finite. The ordinary step then knows what to do.
  std::optional<Report> operator()(const Step& step, const Tensors& inputs, bool perturbs);
  // Whether the last one was the replay of a captured graph.
  bool replayed() const { return replayed_; }

 private:
  // What a captured step relies on: where everything lies, and each number that does not come as a tensor.
  struct Fixed {
    std::vector<const void*> places;
    std::vector<double> numbers;
    bool operator==(const Fixed&) const = default;
  };
  Fixed fixed(const Step& step, bool perturbs) const;
  void set_numbers(const Step& step);
  void set_inputs(const Tensors& inputs);
  void work(const Step& step, bool perturbs);
  Tensors point(const Step& step, const Tensors& g, const at::Tensor& norm) const;
  void clip(Tensors& d) const;

  std::shared_ptr<const Program> program_;
  Tensors buffers_;
  Clipping clipping_;
  bool captures_;
  const std::atomic<bool>& cancelled_;
  Fixed fixed_;
  Tensors inputs_;                        // copies, always in the same place
  Tensors lr_, rho_;                      // one number per group
  std::vector<std::pair<double, double>> lr_and_rho_held_;
  at::Tensor report_;                     // loss, loss at w + ε, norm, whether a gradient is not finite
  std::unique_ptr<device::Graph> graph_;
  int runs_ = 0;
  bool replayed_ = false;
};

}  // namespace steppe::sam
