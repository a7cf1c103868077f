#include "sgd.h"

#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/empty_like.h>

namespace steppe::optim {

void Sgd::step(const Tensors& w, const Tensors& d, const std::vector<uint32_t>& group_of, const Groups& groups) {
  for (uint32_t group = 0; group < groups.size(); group++) {
    const auto& h = groups[group];
    const auto all = slice(w, d, group_of, group);
    // A buffer that does not exist yet starts as the gradient itself, and the kernel takes that as one flag for all.
    // Those that exist come first: afterwards all do.
    for (const bool first : {false, true}) {
      GroupSlice part;
      for (size_t i = 0; i < all.index.size(); i++) {
        if (momentum_[all.index[i]].defined() == first) continue;
        part.index.push_back(all.index[i]);
        part.w.push_back(all.w[i]);
        part.d.push_back(all.d[i]);
      }
      if (part.index.empty()) continue;
      Tensors buffers;
      if (h.momentum != 0) {
        if (first)
          for (const auto k : part.index) momentum_[k] = at::empty_like(w[k]);
        buffers = pick(momentum_, part.index);
      }
      at::_fused_sgd_(part.w, part.d, buffers, h.weight_decay, h.momentum, h.lr, h.dampening, h.nesterov, h.maximize, first);
    }
  }
}

}  // namespace steppe::optim
