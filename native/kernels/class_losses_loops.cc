#include "class_losses_loops.h"

#include <cmath>
#include <limits>

#include "exponential.h"
#include "lanes.h"
#include "processors.h"

namespace steppe::class_losses {

STEPPE_LOOPS_BEGIN

STEPPE_INSIDE const Lanes& lanes(const float* x) { return *reinterpret_cast<const Lanes*>(x); }

// The exponential, or 0 for what vanishes beside 1.
STEPPE_INSIDE float share(float x) { return x < -87.0f ? 0.0f : exponential(x); }

// In an order that does not depend on the processor.
STEPPE_INSIDE float sum_of(int64_t n, const float* x) {
  Lanes sums = {};
  int64_t k = 0;
  for (; k + kLanes <= n; k += kLanes) sums += lanes(x + k);
  float sum = 0;
  for (; k < n; k++) sum += x[k];
  for (int lane = 0; lane < kLanes && n >= kLanes; lane++) sum += sums[lane];
  return sum;
}

STEPPE_INSIDE float largest_of(int64_t n, const float* x) {
  float largest = -std::numeric_limits<float>::infinity();
  int64_t k = 0;
  if (n >= kLanes) {
    Lanes tops = lanes(x);
    for (k = kLanes; k + kLanes <= n; k += kLanes) tops = lanes(x + k) > tops ? lanes(x + k) : tops;
    for (int lane = 0; lane < kLanes; lane++) largest = tops[lane] > largest ? tops[lane] : largest;
  }
  for (; k < n; k++) largest = x[k] > largest ? x[k] : largest;
  return largest;
}

STEPPE_FOR_ALL_PROCESSORS
void log_softmax_rows(int64_t rows, int64_t classes, const float* x, float* y) {
  for (int64_t i = 0; i < rows; i++, x += classes, y += classes) {
    const float largest = largest_of(classes, x);
    for (int64_t k = 0; k < classes; k++) y[k] = share(x[k] - largest);
    const float log_sum = std::log(sum_of(classes, y));
    for (int64_t k = 0; k < classes; k++) y[k] = x[k] - largest - log_sum;
  }
}

STEPPE_FOR_ALL_PROCESSORS
void log_softmax_rows_backward(int64_t rows, int64_t classes, const float* __restrict__ dy, const float* __restrict__ y, float* __restrict__ dx) {
  for (int64_t i = 0; i < rows; i++, dy += classes, y += classes, dx += classes) {
    const float sum = sum_of(classes, dy);
    for (int64_t k = 0; k < classes; k++) dx[k] = dy[k] - share(y[k]) * sum;
  }
}

STEPPE_LOOPS_END

}  // namespace steppe::class_losses
