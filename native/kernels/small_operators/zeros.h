#pragma once
#include "../layouts.h"

namespace steppe {

// Replaces aten::zeros of small tensors of float32 on the CPU, as of an LSTM's first state. `layouts`: by register.
void replace_zeros(Program& program, const Layouts& layouts);

}  // namespace steppe
