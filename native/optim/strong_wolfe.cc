#include "strong_wolfe.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace steppe::optim {
namespace {

constexpr double c1 = 1e-4, c2 = 0.9;

// Python's min and max, which keep the first of two when one is NaN.
double least(double a, double b) { return b < a ? b : a; }
double most(double a, double b) { return b > a ? b : a; }

// The minimum of the cubic through two points with their slopes, within bounds.
double cubic_minimum(const LinePoint& p, const LinePoint& q, double low, double high) {
  const double d1 = p.slope + q.slope - 3 * (p.f - q.f) / (p.t - q.t);
  const double square = d1 * d1 - p.slope * q.slope;
  if (!(square >= 0)) return (low + high) / 2;
  const double d2 = std::sqrt(square);
  const double minimum = p.t <= q.t ? q.t - (q.t - p.t) * ((q.slope + d2 - d1) / (q.slope - p.slope + 2 * d2))
                                    : p.t - (p.t - q.t) * ((p.slope + d2 - d1) / (p.slope - q.slope + 2 * d2));
  return least(most(minimum, low), high);
}

}  // namespace

// Follows torch.optim.LBFGS step by step, so that both search the same points.
LinePoint strong_wolfe(const std::function<LinePoint(double t)>& at, const LinePoint& start, double t, double length,
                       double tolerance_change, int64_t max_iterations) {
  const auto descends_enough = [&](const LinePoint& p) { return !(p.f > start.f + c1 * p.t * start.slope); };
  const auto is_flat = [&](const LinePoint& p) { return std::abs(p.slope) <= -c2 * start.slope; };

  // Bracket an interval that holds a good point.
  LinePoint previous = start, now = at(t);
  std::array<LinePoint, 2> bracket{start, now};
  int64_t i = 0;
  for (; i < max_iterations; i++) {
    bracket = {previous, now};
    if (!descends_enough(now) || (i > 1 && now.f >= previous.f)) break;
    if (is_flat(now)) return now;
    if (now.slope >= 0) break;
    const double next = cubic_minimum(previous, now, now.t + 0.01 * (now.t - previous.t), now.t * 10);
    previous = now;
    now = at(next);
  }
  if (i == max_iterations) bracket = {start, now};

  // Narrow it down.
  bool insufficient = false;
  size_t low = bracket[0].f <= bracket[1].f ? 0 : 1;
  while (i < max_iterations) {
    if (std::abs(bracket[1].t - bracket[0].t) * length < tolerance_change) break;
    const double left = least(bracket[0].t, bracket[1].t), right = most(bracket[0].t, bracket[1].t);
    t = cubic_minimum(bracket[0], bracket[1], left, right);

    // A trial too close to an end, for the second time or at the end itself, moves a tenth of the interval inwards.
    const double margin = 0.1 * (right - left);
    if (least(right - t, t - left) < margin) {
      if (insufficient || t >= right || t <= left) {
        t = std::abs(t - right) < std::abs(t - left) ? right - margin : left + margin;
        insufficient = false;
      } else {
        insufficient = true;
      }
    } else {
      insufficient = false;
    }

    now = at(t);
    i++;
    const size_t high = 1 - low;
    if (!descends_enough(now) || now.f >= bracket[low].f) {
      bracket[high] = now;
      low = bracket[0].f <= bracket[1].f ? 0 : 1;
    } else {
      const bool done = is_flat(now);
      if (!done && now.slope * (bracket[high].t - bracket[low].t) >= 0) bracket[high] = bracket[low];
      bracket[low] = now;
      if (done) break;
    }
  }
  return bracket[low];
}

}  // namespace steppe::optim
