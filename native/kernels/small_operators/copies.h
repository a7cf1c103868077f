#pragma once
#include "../layouts.h"

namespace steppe {

// Copies (aten::clone) of float32 on the CPU that LibTorch makes element by element: of images from one order in memory to the other, and of
// rows that come to stand in another order. `layouts`: by register.
void replace_copies(Program& program, const Layouts& layouts);

}  // namespace steppe
