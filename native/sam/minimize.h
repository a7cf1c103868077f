#pragma once
#include "../optim/minimizer.h"
#include "engine.h"

namespace steppe::sam {

// The step of a base that takes its gradients itself (L-BFGS). The first pass, at w, reports and moves the buffers.
void minimize(optim::Minimizer& minimizer, const Step& step, Report& report);

}  // namespace steppe::sam
