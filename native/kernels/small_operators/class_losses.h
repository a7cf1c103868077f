#pragma once
#include "../layouts.h"

namespace steppe {

// Replaces a classifier's loss in float32 on the CPU: aten::_log_softmax over the last dimension, aten::nll_loss_forward without weights of
// classes, and their backwards; those that follow each other become one (cross_entropy.h). Of a few rows LibTorch's kernels take longer to reach
// than to run. Results agree with LibTorch's up to rounding, and do not depend on the number of threads. `layouts`: by register.
void replace_class_losses(Program& program, const Layouts& layouts);

}  // namespace steppe
