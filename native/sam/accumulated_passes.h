#pragma once
#include <optional>

#include "passes.h"
#include "vectors.h"

namespace steppe::sam {

// Σ weight_j x_j / Σ weight_j, one x after the other and never as a sum, which could overflow in float16.
struct WeightedMean {
  Tensors value;
  double weight = 0;
  // Returns the share of x in the mean so far.
  double include(const Tensors& x, double its_weight);
};

// The micro-batches of one step as if they were one batch: every pass is the weighted mean of theirs. Each keeps the noise
// that it started with.
class AccumulatedPasses : public Passes {
 public:
  struct Micro {
    std::shared_ptr<Passes> passes;
    double weight;         // its number of samples
    Tensors generators{};  // their states at its start
  };
  explicit AccumulatedPasses(const Tensors& w) : w_(w) {}

  // `generators`: their states at its start.
  void include(std::shared_ptr<Passes> micro, Tensors generators);
  const std::vector<Micro>& micros() const { return micros_; }
  void clear();
  // Takes away the last one.
  void remove_last() { micros_.pop_back(); }
  // The last micro-batch takes its pass at w now, so that the step need not; returns its own gradient. None where those before
  // it did not, or over another objective: buffers move in the order of the micro-batches.
  std::optional<Gradient> pass_ahead(Objective objective);
  // Every micro-batch that has not taken its pass at w takes it now, over this objective; one that `draws`, with the generators as they were given.
  void catch_up(Objective objective, bool draws);
  // Hands the last micro-batch the buffers as those before it left them, and takes them over afterwards.
  Passes& begin_last();
  void end_last();

  Gradient at(Tensors point, const Query& query) override;
  at::Tensor sample_losses(const Tensors& point, const Query& query) override;
  double loss(const Tensors& point, const Query& query) override;
  void commit() override { micros_.back().passes->commit(); }
  int64_t batch_size() const override { return -1; }
  // Those of the step under way keep the noise that each started with. Kept ones begin anew: the step before may have been skipped.
  void begin_piece() override;
  std::shared_ptr<Passes> keep(const Tensors& inputs) const override;
  Tensors inputs() const override;

 private:
  struct Sum {
    WeightedMean gradient;
    double loss = 0;
    size_t micros = 0;  // that many, from the first on
    Objective objective = Objective::loss;
  };
  Gradient pass(Sum& sum, Tensors point, const Query& query);

  const Tensors& w_;
  bool kept_ = false;
  std::vector<Micro> micros_;
  Sum ahead_;
  Tensors moved_;  // buffers after the passes so far that move them
};

}  // namespace steppe::sam
