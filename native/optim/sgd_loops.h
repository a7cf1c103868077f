#pragma once
#include "base.h"

namespace steppe::optim {

struct SgdNumbers {
  double lr, weight_decay, momentum, dampening;
  bool nesterov, maximize;
};

// Whether the loops are for these: float32 or float64 on the CPU, dense in memory, each w in memory of its own, d's
// elements where w's are.
bool fit_sgd_loops(const Tensors& w, const Tensors& d);

// One step of all as if they were one tensor, on all kernel threads: LibTorch's fused kernel goes tensor by tensor. Rounds as that does, but
// for the last elements of its threads' parts. b: none without momentum, else laid out as w; at `first` what it holds is not read.
void sgd_loops(const Tensors& w, const Tensors& d, const Tensors& b, const SgdNumbers& numbers, bool first);

}  // namespace steppe::optim
