#pragma once
#include "../layouts.h"

namespace steppe {

// Replaces aten::embedding and its backward for float32 on the CPU. LibTorch's take longer to begin than to copy some rows, and its backward
// adds them by one thread alone. Results are LibTorch's to the bit. `layouts`: by register.
void replace_embeddings(Program& program, const Layouts& layouts);

}  // namespace steppe
