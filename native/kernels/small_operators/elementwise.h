#pragma once
#include "../layouts.h"

namespace steppe {

// Replaces relu and its backward, and sums of two tensors of one shape, or of one and another of its last dimensions, as an embedding of positions, of float32
// on the CPU: of a small net's LibTorch takes most of the time to find the kernel, and of a large one's threads those parts that they wrote themselves. To the bit as LibTorch has them. `layouts`: by register.
void replace_elementwise(Program& program, const Layouts& layouts);

}  // namespace steppe
