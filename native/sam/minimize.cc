#include "minimize.h"

#include <limits>

namespace steppe::sam {

void minimize(optim::Minimizer& minimizer, const Step& step, Report& report) {
  // One piece: a line search needs one function, so every pass sees the same dropout masks.
  step.passes.begin_piece();
  bool first = true;
  const auto objective = [&](const Tensors& point) {
    auto gradient = step.passes.at(point, {.moves_buffers = first});
    if (first) {
      report.loss = gradient.loss;
      report.grad_norm = gradient.norm;
      report.has_gradient = true;
      step.require_finite(gradient, "the");
      first = false;
    }
    return optim::Evaluation{gradient.loss, std::move(gradient.g)};
  };
  auto bad = minimizer.minimize(step.w, objective, step.groups[0]);
  if (!bad.empty()) step.require_finite({0, std::move(bad), std::numeric_limits<double>::quiet_NaN(), {}}, "a later pass's");
}

}  // namespace steppe::sam
