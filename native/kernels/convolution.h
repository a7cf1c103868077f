#pragma once
#include "layouts.h"

namespace steppe {

// Over few pixels, or with a large weight, oneDNN's convolutions spend their time on bringing the weight and its gradient into an
// order of their own: over 4×4 pixels of 512 channels they reach a third of the speed of a matrix product. Such a convolution, and
// each half of its backward, is here a product with the input's windows, one window a row (K. Chellapilla et al., High
// Performance Convolutional Neural Networks for Document Processing, 2006).
//
// Gives a kernel to each convolution of a program that is faster so: two dimensions, float32, channels last, one group. Which are,
// is decided by their shapes alone, so that the same program always computes the same numbers. `layouts`: by register. Results
// agree with LibTorch's up to rounding, and lie in memory as LibTorch's do.
void replace_convolutions(Program& program, const Layouts& layouts);

}  // namespace steppe
