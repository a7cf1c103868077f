#include "minimize.h"

#include <limits>

namespace steppe::sam {

void minimize(optim::Minimizer& minimizer, const Step& step, Report& report) {
  // Every pass sees the same dropout masks: a line search needs one function.
  const bool same_noise = step.same_noise && step.passes.draws();
  if (same_noise) step.noise.save();
  bool first = true;
  const auto objective = [&](const Tensors& point) {
    if (!first && same_noise) step.noise.restore();
    auto gradient = step.passes.at(point, {}, /*moves_buffers=*/first);
    if (first) {
      report.loss = gradient.loss;
      report.grad_norm = gradient.norm;
      step.require_finite(gradient, "the");
      first = false;
    }
    return optim::Evaluation{gradient.loss, std::move(gradient.g)};
  };
  auto bad = minimizer.minimize(step.w, objective, step.groups[0]);
  if (!bad.empty()) step.require_finite({0, std::move(bad), std::numeric_limits<double>::quiet_NaN()}, "a later pass's");
}

}  // namespace steppe::sam
