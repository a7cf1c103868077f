#pragma once
#include "../../program.h"

namespace steppe {

// Where log-softmax and the negative log-likelihood of it follow each other, both by kernels of our own, they become one instruction, and
// their backwards another: the gradient of the log-softmax, zeros but for one number of each row, is never written. Where autograd runs the
// backward, the operators themselves run, and stay.
void fuse_cross_entropies(Program& program);

}  // namespace steppe
