#include "attention_loops.h"

#include <cmath>
#include <limits>

#include "../loops/exponential.h"
#include "../loops/lanes.h"

namespace steppe::attention {

STEPPE_LOOPS_BEGIN

STEPPE_INSIDE bool has_nan(int64_t n, const float* x) {
  for (int64_t k = 0; k < n; k++)
    if (x[k] != x[k]) return true;
  return false;
}

STEPPE_FOR_ALL_PROCESSORS
float softmax_row(int64_t n, int64_t width, float scale, float* x) {
  for (int64_t k = 0; k < width; k++) x[k] *= scale;
  for (int64_t k = n; k < width; k++) x[k] = -std::numeric_limits<float>::infinity();
  Lanes tops = STEPPE_CONST_LANES(x);
  for (int64_t k = kLanes; k < width; k += kLanes) tops = STEPPE_CONST_LANES(x + k) > tops ? STEPPE_CONST_LANES(x + k) : tops;
  float top = tops[0];
  for (int lane = 1; lane < kLanes; lane++) top = tops[lane] > top ? tops[lane] : top;
  // As LibTorch's: where no score is above -∞, nothing is looked at.
  if (top == -std::numeric_limits<float>::infinity() && !has_nan(n, x)) {
    for (int64_t k = 0; k < width; k++) x[k] = 0;
    return 0;
  }
  for (int64_t k = 0; k < width; k++) x[k] = exponential_or_nothing(x[k] - top);
  for (int64_t k = n; k < width; k++) x[k] = 0;
  Lanes sums = {};
  for (int64_t k = 0; k < width; k += kLanes) sums += STEPPE_CONST_LANES(x + k);
  const float sum = sum_of_lanes(sums), share = 1 / sum;
  for (int64_t k = 0; k < width; k++) x[k] *= share;
  return top + std::log(sum);
}

STEPPE_FOR_ALL_PROCESSORS
void softmax_row_backward(int64_t n, int64_t width, float scale, float log_sum, float delta, float* __restrict__ p, float* __restrict__ dp) {
  for (int64_t k = 0; k < width; k++) {
    p[k] = exponential_or_nothing(scale * p[k] - log_sum);
    dp[k] = scale * p[k] * (dp[k] - delta);
  }
  for (int64_t k = n; k < width; k++) p[k] = dp[k] = 0;
}

STEPPE_FOR_ALL_PROCESSORS
float dot(int64_t n, const float* x, const float* y) {
  Lanes sums = {};
  for (int64_t k = 0; k < n; k += kLanes) sums += STEPPE_CONST_LANES(x + k) * STEPPE_CONST_LANES(y + k);
  return sum_of_lanes(sums);
}

STEPPE_LOOPS_END

}  // namespace steppe::attention
