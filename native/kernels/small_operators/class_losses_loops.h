#pragma once
#include <cstdint>

// The arithmetic of a classifier's loss, row by row of scores, one for each class.
namespace steppe::class_losses {

// y = x - log Σ eˣ
void log_softmax_rows(int64_t rows, int64_t classes, const float* x, float* y);
// dL/dx = dL/dy - eʸ Σ dL/dy
void log_softmax_rows_backward(int64_t rows, int64_t classes, const float* dy, const float* y, float* dx);

// dL/dx of -log-softmax at each row's class, times -each; a row whose target is `ignored` has none. y: the log-softmax.
void cross_entropy_rows_backward(int64_t rows, int64_t classes, float each, const int64_t* targets, int64_t ignored, const float* y, float* dx);

}  // namespace steppe::class_losses
