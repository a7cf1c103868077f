#pragma once
#include "layouts.h"

namespace steppe {

// Gives kernels of our own to those instructions of a recorded program on the CPU that have one and are faster by it: decided by shapes, how
// tensors lie in memory, and the processor alone, so that the same program always computes the same numbers. `layouts`: by register.
void replace_operators(Program& program, const Layouts& layouts);

}  // namespace steppe
