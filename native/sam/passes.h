#pragma once
#include <ATen/core/Tensor.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "../program.h"
#include "../rng.h"
#include "../shared_noise.h"

namespace steppe::sam {

// A part of the mini-batch: contiguous, or chosen ones by their indices. count -1 is all of it.
struct Samples {
  int64_t begin = 0, count = -1;
  at::Tensor chosen{};  // int64 [n], ascending
};

// What a gradient is of: the loss, or (BiSAM) the objective that is climbed instead.
enum class Objective : uint8_t { loss, climbed };

// One forward and backward that is asked for.
struct Query {
  Samples samples{};
  bool moves_buffers = false;
  Objective objective = Objective::loss;
};

// What it gives.
struct Gradient {
  double loss = 0;             // the loss itself, also where another objective is climbed
  Tensors g;                   // one per parameter, laid out as the point is; undefined where it has none
  double norm = 0;             // over all parameters together; once a step has it, over the perturbed ones
  bool is_measured = false;    // norm is the one that g has over the perturbed parameters
  at::Tensor sample_losses{};  // [n], where the loss function gives one loss per sample
};

// A pass's gradients, laid out as the parameters are, as they are given: without the loss scale, with their norm. No loss: it is NaN.
Gradient finished(const at::Tensor& loss, Tensors gradients, double loss_scale, at::Tensor sample_losses = {});

// Where gradients come from: a recorded program, the user's closure, or the user's own backward(). Normalisation buffers move only in passes that
// say so, and only `commit` lets that be seen.
class Passes {
 public:
  virtual ~Passes() = default;
  // A recorded pass lets go of the point's tensors as soon as it has read them for the last time: their memory is its gradients', where nobody else
  // holds them.
  virtual Gradient at(Tensors point, const Query& query) = 0;
  // The forward alone: the loss of each sample, [n].
  virtual at::Tensor sample_losses(const Tensors& point, const Query& query) = 0;
  // The forward alone: the loss.
  virtual double loss(const Tensors& point, const Query& query) = 0;
  virtual void commit() = 0;
  // The buffers as the passes so far moved them, unseen yet (empty: none did); passes over other samples can go on from there.
  virtual Tensors moved_buffers() const { return {}; }
  virtual void set_moved_buffers(Tensors) {}
  // How the passes want the parameters to lie in memory: a point that does not costs a copy in each pass. Null: as they are.
  virtual const std::vector<Program::Layout>* parameter_layouts() const { return nullptr; }
  virtual int64_t batch_size() const = 0;  // -1 where samples cannot be told apart
  // From here on passes belong together: with sameNoise they all see the random numbers of the first of them.
  virtual void begin_piece() = 0;
  // Whether they do, all from one state of the generators.
  virtual bool same_noise() const { return false; }
  // That state, where it is not to be the present one when the first of them comes; of the generators of these tensors' devices.
  virtual void set_noise(const Tensors&) {}
  virtual Tensors drawing_places() const { return inputs(); }
  // The same passes for a shard that runs at the same time as others: `run` of `order`. Null where that cannot be.
  virtual std::unique_ptr<Passes> beside(TurnOrder&, size_t /*run*/) { return nullptr; }
  // Of passes that `beside` made: leaves the default generator as their first one did. false: it drew nothing.
  virtual bool return_noise() const { return false; }
  // The same passes for a later step, over copies of their inputs, or over other inputs: only the number of samples may differ, if
  // there is a program for it.
  virtual std::shared_ptr<Passes> keep(const Tensors& inputs) const = 0;
  virtual Tensors inputs() const = 0;
};

// Replays programs, one per number of samples and objective, at any point, without touching the model.
class ProgramPasses : public Passes {
 public:
  struct Input {
    at::Tensor tensor;
    bool batched;  // first dimension is the sample
  };
  using Key = std::pair<int64_t, Objective>;
  using Programs = std::map<Key, std::shared_ptr<Program>>;
  struct Settings {
    bool same_noise = true;
    double loss_scale = 1;  // gradients come back without it
  };
  ProgramPasses(std::map<Key, std::shared_ptr<Program>> programs, Tensors buffers, std::vector<Input> inputs, int64_t batch_size,
                Settings settings, const std::atomic<bool>& cancelled);

  Gradient at(Tensors point, const Query& query) override;
  at::Tensor sample_losses(const Tensors& point, const Query& query) override;
  double loss(const Tensors& point, const Query& query) override;
  void commit() override;
  Tensors moved_buffers() const override { return pending_; }
  void set_moved_buffers(Tensors moved) override { pending_ = std::move(moved); }
  const std::vector<Program::Layout>* parameter_layouts() const override { return &programs_.begin()->second->layouts; }
  int64_t batch_size() const override { return batch_size_; }
  void begin_piece() override { noise_.forget(); }
  bool same_noise() const override { return settings_.same_noise; }
  void set_noise(const Tensors& states) override { noise_.set(states); }
  Tensors drawing_places() const override;
  std::unique_ptr<Passes> beside(TurnOrder& order, size_t run) override;
  bool return_noise() const override;
  std::shared_ptr<Passes> keep(const Tensors& inputs) const override;
  Tensors inputs() const override;

 private:
  const Program& program_for(const Query& query) const;
  Program::Outcome run(Tensors point, const Query& query, bool with_backward);

  std::map<Key, std::shared_ptr<Program>> programs_;
  Tensors buffers_, pending_;
  std::vector<Input> inputs_;
  int64_t batch_size_;
  Settings settings_;
  bool draws_ = false;
  NoiseState noise_;
  OrderedRun turns_;
  std::optional<SharedNoise> shared_noise_;  // instead of noise_, where other passes run at the same time
  const std::atomic<bool>& cancelled_;
};

// Tensors on all devices whose random numbers passes may draw: also where no input lies on the model's.
Tensors drawing_places(Tensors inputs, const ProgramPasses::Programs& programs);

// Calls the user's closure on the JavaScript thread. The closure reads the model's own parameters, so these are set to the
// point and set back, exactly, whatever the closure does.
class ClosurePasses : public Passes {
 public:
  // What the closure gave: what is to be differentiated, the loss to report, a loss per sample where there is one.
  struct Result {
    at::Tensor objective, loss;
  };
  // `call` runs the closure under autograd.
  ClosurePasses(Tensors parameters, Tensors buffers, ProgramPasses::Settings settings, std::function<Result(Objective)> call)
      : parameters_(std::move(parameters)), buffers_(std::move(buffers)), settings_(settings), noise_(parameters_), call_(std::move(call)) {}

  Gradient at(Tensors point, const Query& query) override;
  at::Tensor sample_losses(const Tensors& point, const Query& query) override;
  double loss(const Tensors& point, const Query& query) override;
  void commit() override;
  int64_t batch_size() const override { return -1; }
  void begin_piece() override { noise_.forget(); }
  bool same_noise() const override { return settings_.same_noise; }
  void set_noise(const Tensors& states) override { noise_.set(states); }
  Tensors drawing_places() const override { return parameters_; }
  std::shared_ptr<Passes> keep(const Tensors& inputs) const override;
  Tensors inputs() const override { return {}; }

 private:
  Tensors parameters_, buffers_, pending_;
  ProgramPasses::Settings settings_;
  NoiseState noise_;
  std::function<Result(Objective)> call_;
};

}  // namespace steppe::sam
