#pragma once
#include "../layouts.h"

namespace steppe {

// Replaces relu and its backward, of float32 on the CPU: of a small net's activations LibTorch takes most of the time to find the kernel. To the bit
// as LibTorch has them. `layouts`: by register.
void replace_relus(Program& program, const Layouts& layouts);

}  // namespace steppe
