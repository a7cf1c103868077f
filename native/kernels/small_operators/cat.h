#pragma once
#include "../layouts.h"

namespace steppe {

// Replaces aten::cat of float32 on the CPU where what each tensor has to give stands in rows. `layouts`: by register.
void replace_cats(Program& program, const Layouts& layouts);

}  // namespace steppe
