#pragma once
#include "../layouts.h"

namespace steppe {

// Replaces additions of one integer to another in place on the CPU (aten::add_.Scalar), as of a batch norm's count of batches: LibTorch
// makes a tensor of the number that is added. `layouts`: by register.
void replace_counts(Program& program, const Layouts& layouts);

}  // namespace steppe
