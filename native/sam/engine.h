#pragma once
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "../optim/base.h"
#include "accumulated_passes.h"
#include "device_step.h"
#include "parts.h"

namespace steppe::sam {

struct Settings {
  MethodSpec method;
  bool perturbs = true;               // false: the base optimizer alone
  std::string base;
  double max_grad_norm = 0;           // 0: no clipping
  double max_grad_value = 0;          // likewise
  int64_t start_step = 0;             // that many of the base optimizer's own steps come first
  bool same_noise = true;
  bool throw_non_finite = true;
  int64_t accumulation_steps = 1;     // micro-batches per step
  bool perturbs_per_micro = false;    // each by its own gradient (mSAM), or all by that of the whole step
};

// The loss scale of float16 training, as torch.amp.GradScaler: after `interval` good steps it grows, after a step that met
// infinity it shrinks.
struct LossScale {
  double scale = 1, growth = 2, backoff = 0.5;
  int64_t interval = 0, good_steps = 0;  // interval 0: the scale stays as it is
  void update(bool good);
  // Whether the loss is ever multiplied.
  bool scales() const { return scale != 1 || interval != 0; }
};

// The hyperparameters of the next steps. Which step is the next is known only when it is taken, since a skipped one does not
// count: schedules give those of each that it may be.
struct Plan {
  int64_t first = 0;  // the number of steps before the first of them
  std::vector<optim::Groups> groups{{}};
  const optim::Groups& at(int64_t steps) const;
};

// One optimizer: w, the method's parts, the base optimizer. A step runs on one thread at a time, on whichever.
class Engine {
 public:
  // `in_subset`: which parameters the method perturbs at all.
  Engine(Settings settings, Tensors parameters, std::vector<std::string> names, Tensors buffers, std::vector<uint32_t> group_of,
         std::vector<uint8_t> in_subset);

  Report step(Passes& passes, const Plan& plan);
  // The same without a wait for the device between the passes, in a graph if `captures`. None where that cannot be, or the step
  // did not go well: nothing has changed then, and `step` is to be taken. `passes`: over the programs and inputs.
  std::optional<Report> step_on_device(ProgramPasses& passes, const DevicePasses::Programs& programs, const DevicePasses::Inputs& inputs, const Plan& plan,
                                       bool captures, const std::atomic<bool>& cancelled);
  // The same of a micro-batch, instead of `micro_step`. `micro`: over the programs and inputs, and kept.
  std::optional<Report> micro_step_on_device(std::shared_ptr<Passes> micro, const DevicePasses::Programs& programs, const DevicePasses::Inputs& inputs,
                                             const Plan& plan, bool captures, const std::atomic<bool>& cancelled);
  // Why steps over these programs are not taken so; empty if they are.
  std::string obstacle_on_device(const DevicePasses::Programs& programs, const DevicePasses::Inputs& inputs = {}) const;
  // The same of one program, as far as that can be told, and why it is not captured.
  std::string note_on_device(const std::shared_ptr<Program>& program, bool captures) const;
  // The next micro-batch of a step that is accumulated; the last one takes the step. An error starts the step anew.
  // `generators`: their states at its start, where it is taken again after loading; they are left as they are.
  Report micro_step(std::shared_ptr<Passes> micro, const Tensors& generators, const Plan& plan);
  // The micro-batches so far.
  const std::vector<AccumulatedPasses::Micro>& micros() const { return window_.micros(); }
  void forget_micros();

  // The numbers of samples that the passes of a step over such a batch run over, each once.
  std::vector<int64_t> sample_counts(int64_t batch_size) const;

  const Tensors& parameters() const { return w_; }
  const Tensors& buffers() const { return buffers_; }
  void add_buffers(const Tensors& more) { buffers_.insert(buffers_.end(), more.begin(), more.end()); }
  const Settings& settings() const { return settings_; }
  optim::Base& base() { return *base_; }
  // What the method remembers, and how many steps were taken: by the optimizer, and by the method (after startStep).
  Memory memory() const;
  void recalled();
  struct Counters {
    int64_t steps = 0, method_steps = 0;
  };
  int64_t steps_on_device = 0;  // of those, by step_on_device
  int64_t graph_replays = 0;    // of those, by a captured graph
  std::string capture_failure;  // why none was captured, if that was tried
  Counters counters;
  LossScale loss_scale;

  // Set on the JavaScript thread; each step takes the plan that was set when it was asked for.
  std::shared_ptr<const Plan> plan = std::make_shared<Plan>();
  // For the JavaScript thread: what the last call of each compiled step came down to.
  struct KnownCall {
    std::string signature;
    std::vector<int64_t> counts;
    std::map<ProgramPasses::Key, std::weak_ptr<Program>> programs;
    std::vector<uint8_t> batched;
    int64_t batch_size, on_device;
    bool is_gone() const {
      return std::any_of(programs.begin(), programs.end(), [](const auto& each) { return each.second.expired(); });
    }
  };
  std::map<int64_t, KnownCall> known_calls;

 private:
  Step step_over(Passes& passes, const Plan& plan);
  bool any_radius(const optim::Groups& groups) const;
  bool is_active(const Step& step) const;
  std::vector<Part*> active_parts(const Step& step) const;
  // Draws what the parts draw before the first pass. `decides`: whether the step perturbs is drawn, too.
  void begin(const Step& step, bool decides);
  // Takes the step that `advance` computes, if it goes well.
  Report take(const Step& step, const std::function<void(Report&)>& advance);
  void descend(const Step& step, Tensors d);
  Report pass_ahead(const Plan& plan);
  Report shard_step(const Plan& plan, bool closes);
  void add_shard(const Step& step, Report& report);
  // With a dynamic loss scale an infinity now and then is how the scale is found.
  bool throws_non_finite() const { return settings_.throw_non_finite && loss_scale.interval == 0; }

  Tensors direction(const Step& step, Report& report);
  // For the passes: with w as they want it in memory.
  Step arranged(const Step& step);
  Tensors base_direction(const Step& step, Report& report);
  Tensors method_direction(const Step& step, Report& report);
  // The pieces one after the other, or at the same time on several threads: with the same numbers.
  Tensors sum_of_pieces(const Step& step, const std::vector<Piece>& pieces, Report& report);
  Tensors sum_at_the_same_time(const Step& step, const std::vector<Piece>& pieces, std::vector<std::unique_ptr<Passes>> passes,
                               TurnOrder& order, Report& report);
  Tensors piece_direction(const Step& step, const Piece& piece, Report& report);
  void report_gradient(const Gradient& gradient, const Piece& piece, Report& report) const;
  void clip(Tensors& d) const;
  // Whether steps over all of the programs can be taken on the device.
  bool can_stay(const DevicePasses::Programs& programs, const DevicePasses::Inputs& inputs);
  struct OnDevice {
    int64_t batch_size;
    const DevicePasses::Programs& programs;
    const DevicePasses::Inputs& inputs;
    std::shared_ptr<const DeviceMicroBatches> micro;  // of micro-batches
    bool captures;
    const std::atomic<bool>& cancelled;
  };
  std::optional<Report> take_on_device(Passes& passes, const OnDevice& given, const Plan& plan);
  bool may_capture() const { return device::Graph::is_compiled() && capture_failure.empty(); }
  void note_failure(const std::string& failure);
  void own(Memory& memory);
  // What steps on the device keep: made anew by the next one.
  void forget_device_steps();

  Settings settings_;
  Tensors w_;
  std::vector<std::string> names_;
  Tensors buffers_;
  std::vector<uint32_t> group_of_;
  std::vector<uint8_t> in_subset_;
  Method method_;
  std::unique_ptr<optim::Base> base_;
  Point point_;
  Arrangement arrangement_;
  bool holds_threads_;  // from a step's first pass to its end
  bool arranges_;  // nothing that the method keeps from step to step lies as the arranged w does
  using DeviceKey = std::tuple<int64_t, DeviceMethod::Kind, std::vector<const Program*>>;  // the number of samples comes first
  static DeviceKey device_key(int64_t batch_size, DeviceMethod::Kind kind, const DevicePasses::Programs& programs);
  static constexpr size_t kMostDeviceSteps = 16;  // graphs keep their memory
  std::map<DeviceKey, std::unique_ptr<DeviceStep>> device_steps_;
  std::map<DeviceKey, std::shared_ptr<DeviceMicroBatches>> device_micros_;
  // The step over micro-batches that is under way on the device: whose passes at w were taken there.
  struct DeviceWindow {
    DeviceKey key;
    std::shared_ptr<DeviceMicroBatches> micro;
    size_t micros = 0;
  };
  DeviceWindow device_window_;
  std::map<std::weak_ptr<const Program>, std::string, std::owner_less<>> device_obstacles_;  // by program
  std::map<std::string, Tensors> owned_;  // the method's memory, by name, as far as steps on the device may change it in place
  AccumulatedPasses window_;
  WeightedMean shards_;                     // the micro-batches' directions
  std::optional<NonFinite> bad_shard_;
  std::vector<Point> shard_points_;  // one for each that is in flight
};

}  // namespace steppe::sam
