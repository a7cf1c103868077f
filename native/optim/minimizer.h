#pragma once
#include <functional>

#include "base.h"

namespace steppe::optim {

// The loss and its gradient at a point; where the gradient is undefined it counts as zero.
struct Evaluation {
  double loss = 0;
  Tensors g;
};
using Objective = std::function<Evaluation(const Tensors& point)>;

// A base that takes its gradients itself, several in a step.
class Minimizer {
 public:
  virtual ~Minimizer() = default;
  // Moves w. Empty if all is well; else what was not finite, one tensor for each of w, and w and the state are as they were.
  // What flies from the objective leaves w and the state as they were, too.
  virtual Tensors minimize(const Tensors& w, const Objective& objective, const Hyperparameters& h) = 0;
};

}  // namespace steppe::optim
