#pragma once
#include "parts.h"

namespace steppe::sam {

// GA-SAM: K projected steps in balls whose radii follow the running strength of each tensor's gradient.
std::unique_ptr<Ascent> gradient_strength(size_t parameters, double alpha, double beta, double gamma, int steps);

}  // namespace steppe::sam
