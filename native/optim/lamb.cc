#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_div.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_sqrt.h>

#include <cmath>

#include "bases.h"
#include "parts.h"

namespace steppe::optim {
namespace {

// LAMB (arXiv 1904.00962, algorithm 2): r = m̂/(√v̂ + ε) + λw, m̂ and v̂ Adam's corrected moments; w ← w − η ‖w‖/‖r‖ r for each
// tensor, with the ratio 1 where a norm is 0 (the bound φ on ‖w‖ is the identity).
class Lamb : public Base {
 public:
  using Base::Base;
  const Tensors* momentum() const override { return &exp_avg_; }

 protected:
  void update(const Part& part) override {
    const double lr = part.h["lr"], beta1 = part.h["beta1"], beta2 = part.h["beta2"], weight_decay = part.h["weightDecay"];
    const auto g = gradient(part, 0);
    const auto m = like_w(exp_avg_, part), v = like_w(exp_avg_sq_, part);
    const auto t = count(step_, part);
    at::_foreach_lerp_(m, g, 1 - beta1);
    at::_foreach_mul_(v, beta2);
    at::_foreach_addcmul_(v, g, g, 1 - beta2);
    auto root = at::_foreach_sqrt(v);
    at::_foreach_div_(root, scalars(t, [&](double t) { return std::sqrt(1 - std::pow(beta2, t)); }));
    at::_foreach_add_(root, part.h["eps"]);
    auto r = at::_foreach_div(m, scalars(t, [&](double t) { return 1 - std::pow(beta1, t); }));
    at::_foreach_div_(r, root);
    if (weight_decay != 0) at::_foreach_add_(r, part.w, weight_decay);
    const auto norm_w = norms(part.w), norm_r = norms(r);
    Scalars scale;
    for (size_t i = 0; i < norm_w.size(); i++) scale.emplace_back(-lr * (norm_w[i] > 0 && norm_r[i] > 0 ? norm_w[i] / norm_r[i] : 1));
    at::_foreach_mul_(r, scale);
    at::_foreach_add_(part.w, r);
  }

 private:
  Tensors &step_ = keep("step"), &exp_avg_ = keep("exp_avg"), &exp_avg_sq_ = keep("exp_avg_sq");
};

}  // namespace

std::unique_ptr<Base> lamb(size_t parameters) { return std::make_unique<Lamb>(parameters); }

}  // namespace steppe::optim
