#include "adam.h"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

namespace steppe::optim {

void Adam::step(const Tensors& w, const Tensors& d, const std::vector<uint32_t>& group_of, const Groups& groups) {
  for (uint32_t group = 0; group < groups.size(); group++) {
    const auto& h = groups[group];
    const auto part = slice(w, d, group_of, group);
    if (part.index.empty()) continue;
    for (const auto k : part.index) {
      if (!step_[k].defined()) {
        step_[k] = at::zeros({}, w[k].options().dtype(at::kFloat));
        exp_avg_[k] = at::zeros_like(w[k]);
        exp_avg_sq_[k] = at::zeros_like(w[k]);
      }
      if (h.amsgrad && !max_exp_avg_sq_[k].defined()) max_exp_avg_sq_[k] = at::zeros_like(w[k]);
    }
    const auto steps = pick(step_, part.index);
    at::_foreach_add_(steps, 1);
    const auto maxima = h.amsgrad ? pick(max_exp_avg_sq_, part.index) : Tensors{};
    const auto m = pick(exp_avg_, part.index), v = pick(exp_avg_sq_, part.index);
    if (decoupled_) {
      at::_fused_adamw_(part.w, part.d, m, v, maxima, steps, h.lr, h.beta1, h.beta2, h.weight_decay, h.eps, h.amsgrad, h.maximize);
    } else {
      at::_fused_adam_(part.w, part.d, m, v, maxima, steps, h.lr, h.beta1, h.beta2, h.weight_decay, h.eps, h.amsgrad, h.maximize);
    }
  }
}

}  // namespace steppe::optim
