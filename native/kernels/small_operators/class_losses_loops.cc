#include "class_losses_loops.h"

#include <cmath>
#include <limits>

#include "../loops/exponential.h"
#include "../loops/lanes.h"

namespace steppe::class_losses {

STEPPE_LOOPS_BEGIN

// In an order that does not depend on the processor.
STEPPE_INSIDE float sum_of(int64_t n, const float* x) {
  Lanes sums = {};
  int64_t k = 0;
  for (; k + kLanes <= n; k += kLanes) sums += STEPPE_CONST_LANES(x + k);
  float sum = 0;
  for (; k < n; k++) sum += x[k];
  return n >= kLanes ? sum + sum_of_lanes(sums) : sum;
}

STEPPE_INSIDE float largest_of(int64_t n, const float* x) {
  float largest = -std::numeric_limits<float>::infinity();
  int64_t k = 0;
  if (n >= kLanes) {
    Lanes tops = STEPPE_CONST_LANES(x);
    for (k = kLanes; k + kLanes <= n; k += kLanes) tops = STEPPE_CONST_LANES(x + k) > tops ? STEPPE_CONST_LANES(x + k) : tops;
    for (int lane = 0; lane < kLanes; lane++) largest = tops[lane] > largest ? tops[lane] : largest;
  }
  for (; k < n; k++) largest = x[k] > largest ? x[k] : largest;
  return largest;
}

STEPPE_FOR_ALL_PROCESSORS
void log_softmax_rows(int64_t rows, int64_t classes, const float* x, float* y) {
  for (int64_t i = 0; i < rows; i++, x += classes, y += classes) {
    const float largest = largest_of(classes, x);
    for (int64_t k = 0; k < classes; k++) y[k] = exponential_or_nothing(x[k] - largest);
    const float log_sum = std::log(sum_of(classes, y));
    for (int64_t k = 0; k < classes; k++) y[k] = x[k] - largest - log_sum;
  }
}

STEPPE_FOR_ALL_PROCESSORS
void log_softmax_rows_backward(int64_t rows, int64_t classes, const float* __restrict__ dy, const float* __restrict__ y, float* __restrict__ dx) {
  for (int64_t i = 0; i < rows; i++, dy += classes, y += classes, dx += classes) {
    const float sum = sum_of(classes, dy);
    for (int64_t k = 0; k < classes; k++) dx[k] = dy[k] - exponential_or_nothing(y[k]) * sum;
  }
}

STEPPE_FOR_ALL_PROCESSORS
void cross_entropy_rows_backward(int64_t rows, int64_t classes, float each, const int64_t* targets, int64_t ignored, const float* __restrict__ y, float* __restrict__ dx) {
  for (int64_t i = 0; i < rows; i++, y += classes, dx += classes) {
    const float sum = targets[i] == ignored ? 0.0f : each;
    for (int64_t k = 0; k < classes; k++) dx[k] = 0.0f - exponential_or_nothing(y[k]) * sum;
    if (targets[i] != ignored) dx[targets[i]] = each - exponential_or_nothing(y[targets[i]]) * each;
  }
}

STEPPE_LOOPS_END

}  // namespace steppe::class_losses
