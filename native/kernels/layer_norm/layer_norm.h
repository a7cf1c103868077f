#pragma once
#include "../layouts.h"

namespace steppe {

// Replaces layer norms (aten::native_layer_norm) and their backwards over rows of float32 on the CPU that follow each other in memory, with or without
// weight and bias. Sums are taken so that numbers depend neither on the number of threads nor, up to rounding, on the length of rows.
// `layouts`: by register.
void replace_layer_norms(Program& program, const Layouts& layouts);

}  // namespace steppe
