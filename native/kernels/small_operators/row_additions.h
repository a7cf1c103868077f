#pragma once
#include "../layouts.h"

namespace steppe {

// Replaces aten::add_ of one row to all rows of a contiguous tensor, as of a linear layer's bias, in float32 on the CPU. Results are LibTorch's
// to the bit. `layouts`: by register.
void replace_row_additions(Program& program, const Layouts& layouts);

}  // namespace steppe
