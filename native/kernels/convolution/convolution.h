#pragma once
#include "../layouts.h"

namespace steppe {

// Convolutions that oneDNN, which LibTorch calls, is slow at. Over few pixels, or with a large weight, it spends its time on bringing
// the weight and its gradient into an order of its own: over 4×4 pixels of 512 channels it reaches a third of the speed of a matrix
// product (convolution_products.h). With few channels, as in a net's first layers, the way to its kernel takes as long as the
// kernel, and lanes stand empty (direct_convolution.h).
//
// Gives a kernel to each convolution of a program that is faster so: two dimensions, float32, channels last, one group. Which are,
// and each half of their backward, is decided by their shapes and the processor alone, so that the same program always computes
// the same numbers. `layouts`: by register. Results agree with LibTorch's up to rounding, and lie in memory as LibTorch's do.
void replace_convolutions(Program& program, const Layouts& layouts);

}  // namespace steppe
