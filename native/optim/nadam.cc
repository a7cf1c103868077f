#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcdiv.h>
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

// torch.optim.NAdam (Dozat, ICLR workshop 2016): Adam with Nesterov momentum, whose coefficient μ_t warms up:
// w ← w − η((1−μ_t)/(1−Π_{i≤t}μ_i) g + μ_{t+1}/(1−Π_{i≤t+1}μ_i) m) / (√(v/(1−β₂ᵗ)) + ε), μ_t = β₁(1 − ½ 0.96^{tψ}).
class Nadam : public Base {
 public:
  using Base::Base;
  const Tensors* momentum() const override { return &exp_avg_; }

 protected:
  void update(const Part& part) override {
    const auto& h = part.h;
    const double lr = h["lr"], beta1 = h["beta1"], beta2 = h["beta2"], psi = h["momentumDecay"];
    const bool decoupled = h["decoupledWeightDecay"] != 0;
    if (decoupled) decay(part, lr, h["weightDecay"]);
    const auto g = gradient(part, decoupled ? 0 : h["weightDecay"]);
    const auto m = like_w(exp_avg_, part), v = like_w(exp_avg_sq_, part);
    const auto t = count(step_, part);
    Scalars of_g, of_m, correction;
    for (size_t i = 0; i < part.index.size(); i++) {
      const auto coefficient = [&](double t) { return beta1 * (1 - 0.5 * std::pow(0.96, t * psi)); };
      const double mu = coefficient(t[i]), mu_next = coefficient(t[i] + 1);
      const double product = number(mu_product_[part.index[i]], 1) *= static_cast<float>(mu);
      of_g.emplace_back(-lr * (1 - mu) / (1 - product));
      of_m.emplace_back(-lr * mu_next / (1 - product * mu_next));
      correction.emplace_back(std::sqrt(1 - std::pow(beta2, t[i])));
    }
    at::_foreach_lerp_(m, g, 1 - beta1);
    at::_foreach_mul_(v, beta2);
    at::_foreach_addcmul_(v, g, g, 1 - beta2);
    auto denominator = at::_foreach_sqrt(v);
    at::_foreach_div_(denominator, correction);
    at::_foreach_add_(denominator, h["eps"]);
    at::_foreach_addcdiv_(part.w, g, denominator, of_g);
    at::_foreach_addcdiv_(part.w, m, denominator, of_m);
  }

 private:
  Tensors &step_ = keep("step"), &mu_product_ = keep("mu_product"), &exp_avg_ = keep("exp_avg"), &exp_avg_sq_ = keep("exp_avg_sq");
};

}  // namespace

std::unique_ptr<Base> nadam(size_t parameters) { return std::make_unique<Nadam>(parameters); }

}  // namespace steppe::optim
