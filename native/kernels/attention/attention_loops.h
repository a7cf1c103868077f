#pragma once
#include <cstdint>

// The arithmetic of attention beside its products, row by row of the scores.
namespace steppe::attention {

// x[0, n): scores before they are scaled. x ← softmax(scale x), and 0 from n on to `width`, a multiple of kLanes. Returns log Σ exp(scale x).
float softmax_row(int64_t n, int64_t width, float scale, float* x);
// p[0, n): scores again, `log_sum` what softmax_row returned for them; dp: dL/dp. p ← softmax(scale p), dp ← dL/dx by way of it, both 0 from n on.
// `delta`: Σ p dL/dp = Σ dL/do o.
void softmax_row_backward(int64_t n, int64_t width, float scale, float log_sum, float delta, float* p, float* dp);
float dot(int64_t n, const float* x, const float* y);

}  // namespace steppe::attention
