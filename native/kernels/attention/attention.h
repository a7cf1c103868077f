#pragma once
#include "../layouts.h"

namespace steppe {

// LibTorch's attention on the CPU goes through blocks that are made for long sequences. Of short ones, up to 256 places, the scores of one head
// stay in a processor's own cache as they are, and where each place looks only at those before it, half of the products are not taken.
//
// Replaces aten::_scaled_dot_product_flash_attention_for_cpu and its backward for float32 without mask and dropout, on processors with AVX-512.
// Results agree with LibTorch's up to rounding, and do not depend on the number of threads. `layouts`: by register.
void replace_attention(Program& program, const Layouts& layouts);

}  // namespace steppe
