#pragma once
#include "../layouts.h"

namespace steppe {

// Replaces gelu and its backward, exact and by the hyperbolic tangent, of float32 on the CPU (D. Hendrycks, K. Gimpel, Gaussian Error Linear Units,
// 2016). Where nobody but the backward reads what gelu is taken of again, the forward keeps the derivative in its place: both are made of the same
// exponential. Adds registers to the program. `layouts`: by register.
void replace_gelus(Program& program, const Layouts& layouts);

}  // namespace steppe
