#pragma once
#include <ATen/core/Tensor.h>

#include <functional>

namespace steppe::optim {

// A point on the line: step length t, loss f, gradient g (flat), its slope along the line.
struct LinePoint {
  double t = 0, f = 0;
  at::Tensor g;
  double slope = 0;
};

// A step length that satisfies the strong Wolfe conditions, f(t) ≤ f(0) + c₁ t f'(0) and |f'(t)| ≤ c₂|f'(0)|, by bracketing and
// cubic interpolation (Nocedal and Wright, Numerical Optimization, section 3.5); the best point seen if `max_iterations` are
// not enough. `at` evaluates a step length; `length` is the largest element of the direction.
LinePoint strong_wolfe(const std::function<LinePoint(double t)>& at, const LinePoint& start, double t, double length,
                       double tolerance_change, int64_t max_iterations);

}  // namespace steppe::optim
