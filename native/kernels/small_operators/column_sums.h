#pragma once
#include "../layouts.h"

namespace steppe {

// Sums of rows: to [columns] ← Σ from [rows, columns], by threads that share the columns. Not dependent on their number.
void sum_rows(int64_t rows, int64_t columns, const float* from, float* to);

// Replaces sums over the first dimensions (aten::sum.dim_IntList) of float32 on the CPU, as of the gradient of a bias, or of an embedding of positions,
// where they are neither tiny nor large. Results agree with LibTorch's up to rounding. `layouts`: by register.
void replace_column_sums(Program& program, const Layouts& layouts);

}  // namespace steppe
