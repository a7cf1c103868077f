#pragma once
#include <atomic>
#include <map>
#include <memory>

#include "../device/repeated_work.h"
#include "../rng.h"
#include "passes.h"
#include "step.h"

namespace steppe::sam {

// The random numbers of the passes of one step: with sameNoise each pass of a piece sees those of its first one, or, over a
// micro-batch, those that were drawn for it before: `starts` has the generators as they then stood.
class DeviceNoise {
 public:
  DeviceNoise(bool draws, bool same, const Tensors& places, const std::vector<NoiseState>* starts = nullptr)
      : draws_(draws), same_(same), start_(places), piece_(places), starts_(starts) {}

  // Before a step, and before its passes: `captured` is the graph that they are written down in, or null.
  void remember();
  void begin_step(device::Graph* captured);
  void begin_piece();
  void begin_pass();
  // As before the step: it is to be taken anew.
  void take_back();
  // What a graph draws, by the steps so far.
  device::RepeatedWork::Noise needs(at::Device device) const;

 private:
  bool draws_, same_;
  NoiseState start_, piece_;
  const std::vector<NoiseState>* starts_;  // by micro-batch, over which passes go in order
  device::Graph* captured_ = nullptr;
  size_t passes_ = 0, sequences_ = 1;
};

// Forward and backward, whose numbers stay where the weights are: g laid out as w is, without the loss scale (undefined: none).
struct DevicePass {
  at::Tensor loss;
  Tensors g;
};
DevicePass pass_on_device(const Program& program, const Program::Slots& slots, Objective objective, const at::Tensor& loss_scale, const Tensors& w,
                          const std::atomic<bool>& cancelled);

// What the passes at w over the micro-batches of a step gave: the mean, and the buffers as they moved them. Always in the same place.
struct DeviceSum {
  at::Tensor loss;
  Tensors g, buffers;
};

// All passes of a step.
class DevicePasses {
 public:
  using Programs = ProgramPasses::Programs;
  using Inputs = std::vector<ProgramPasses::Input>;
  struct Gradient {
    at::Tensor loss;
    Tensors g;
    at::Tensor norm;  // over the perturbed parameters
  };
  // What stays the same from step to step.
  struct Settings {
    Programs programs;
    Tensors buffers;
    std::vector<Inputs> batches;     // one, or a step's micro-batches, as large; always in the same place
    int64_t batch_size;
    at::Tensor loss_scale{};         // undefined: none
    const DeviceSum* sum = nullptr;  // of micro-batches, whose passes at w were taken already
  };
  DevicePasses(const Settings& settings, DeviceNoise& noise, const std::atomic<bool>& cancelled);

  // Of micro-batches, the mean.
  Gradient at(const Step& step, const Tensors& point, const Query& query);
  // From here on passes belong together. `turns`: where other pieces move the same buffers at the same time.
  void begin_piece(OrderedRun turns = {});
  // Whether any gradient so far is not finite.
  at::Tensor bad() const;
  // The buffers as the passes moved them, unless `bad`.
  void commit(const at::Tensor& bad) const;

 private:
  DevicePass over(const Inputs& batch, const Step& step, const Tensors& point, const Query& query);
  DevicePass mean(const Step& step, const Tensors& point, const Query& query);

  const Settings& settings_;
  DeviceNoise& noise_;
  const std::atomic<bool>& cancelled_;
  std::vector<bool> changed_;  // by buffer
  Tensors moved_;
  OrderedRun turns_;
  Tensors finite_;
};

}  // namespace steppe::sam
