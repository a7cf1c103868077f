#pragma once
#include "parts.h"

namespace steppe::sam {

// x ⊙ mask, undefined where one of them is.
Tensors masked(Tensors x, const Tensors& mask);

// ε = ρ n(g) ⊙ mask, where the mask keeps the top share of squared gradients, refreshed every `refresh` steps: of their sum
// over all steps (Sparse SAM, arXiv 2210.05177) or of the refresh step's alone (Fisher mask, arXiv 2210.05497).
std::unique_ptr<Direction> make_mask(size_t parameters, double keep, int64_t refresh, bool accumulate);

}  // namespace steppe::sam
