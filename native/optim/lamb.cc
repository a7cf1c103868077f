#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_div.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_sqrt.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>

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
  bool has_device_form() const override { return true; }
  // −η; √(1−β₂ᵗ) and 1−β₁ᵗ, the moments' corrections.
  std::vector<double> numbers(const Hyperparameters& h, size_t k) const override {
    const double t = kept(step_[k], 0) + 1;
    return {-h["lr"], std::sqrt(1 - std::pow(h["beta2"], t)), 1 - std::pow(h["beta1"], t)};
  }

 protected:
  void update(const Part& part) override {
    const auto n = numbers_of(*this, part);
    const auto r = direction(part, n);
    const auto norm_w = norms(part.w), norm_r = norms(r);
    Scalars scale;
    for (size_t i = 0; i < norm_w.size(); i++) scale.emplace_back(n[0][i].toDouble() * (norm_w[i] > 0 && norm_r[i] > 0 ? norm_w[i] / norm_r[i] : 1));
    add_(part.w, r, scale);
  }
  void update_on_device(const Part& part, const Tensors& n, const at::Tensor&) override {
    const auto r = direction(part, n);
    const auto norm_w = norms_there(part.w), norm_r = norms_there(r);
    const auto ratio = at::where(norm_w.gt(0).logical_and(norm_r.gt(0)), norm_w.div(norm_r), at::ones_like(norm_w));
    scale_each_(r, ratio.mul(n[0]));
    at::_foreach_add_(part.w, r);
  }
  void count(const Hyperparameters&, size_t k) override { number(step_[k]) += 1; }
  std::vector<const Tensors*> states_read(const Hyperparameters&) const override { return {&step_}; }  // made with all others

 private:
  template <class Numbers>
  Tensors direction(const Part& part, const Numbers& n) {
    const double beta1 = part.h["beta1"], beta2 = part.h["beta2"], weight_decay = part.h["weightDecay"];
    const auto g = gradient(part, 0);
    const auto m = like_w(exp_avg_, part), v = like_w(exp_avg_sq_, part);
    at::_foreach_lerp_(m, g, 1 - beta1);
    at::_foreach_mul_(v, beta2);
    at::_foreach_addcmul_(v, g, g, 1 - beta2);
    auto root = at::_foreach_sqrt(v);
    divide_(root, n[1]);
    at::_foreach_add_(root, part.h["eps"]);
    auto r = divided(m, n[2]);
    at::_foreach_div_(r, root);
    if (weight_decay != 0) at::_foreach_add_(r, part.w, weight_decay);
    return r;
  }

  Tensors &step_ = keep("step"), &exp_avg_ = keep("exp_avg"), &exp_avg_sq_ = keep("exp_avg_sq");
};

}  // namespace

std::unique_ptr<Base> lamb(size_t parameters) { return std::make_unique<Lamb>(parameters); }

}  // namespace steppe::optim
