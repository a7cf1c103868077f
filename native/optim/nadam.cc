#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcmul.h>
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
  bool has_device_form() const override { return true; }
  // What g and m are multiplied by; √(1−β₂ᵗ); what decoupled weight decay leaves of w.
  std::vector<double> numbers(const Hyperparameters& h, size_t k) const override {
    const double lr = h["lr"], t = kept(step_[k], 0) + 1, mu = coefficient(h, t), mu_next = coefficient(h, t + 1);
    const double product = product_with(k, mu);
    return {-lr * (1 - mu) / (1 - product), -lr * mu_next / (1 - product * mu_next), std::sqrt(1 - std::pow(h["beta2"], t)), 1 - lr * h["weightDecay"]};
  }

 protected:
  void update(const Part& part) override {
    advance(part, numbers_of(*this, part));
  }
  void update_on_device(const Part& part, const Tensors& n, const at::Tensor&) override { advance(part, n); }
  void count(const Hyperparameters& h, size_t k) override {
    const double t = number(step_[k]) += 1;
    number(mu_product_[k], 1) = product_with(k, coefficient(h, t));
  }
  std::vector<const Tensors*> states_read(const Hyperparameters&) const override { return {&exp_avg_, &exp_avg_sq_}; }

 private:
  static double coefficient(const Hyperparameters& h, double t) { return h["beta1"] * (1 - 0.5 * std::pow(0.96, t * h["momentumDecay"])); }
  float product_with(size_t k, double mu) const { return static_cast<float>(kept(mu_product_[k], 1)) * static_cast<float>(mu); }

  template <class Numbers>
  void advance(const Part& part, const Numbers& n) {
    const auto& h = part.h;
    const double beta1 = h["beta1"], beta2 = h["beta2"];
    const bool decoupled = h["decoupledWeightDecay"] != 0;
    if (decoupled && h["weightDecay"] != 0) scale_(part.w, n[3]);
    const auto g = gradient(part, decoupled ? 0 : h["weightDecay"]);
    const auto m = like_w(exp_avg_, part), v = like_w(exp_avg_sq_, part);
    at::_foreach_lerp_(m, g, 1 - beta1);
    at::_foreach_mul_(v, beta2);
    at::_foreach_addcmul_(v, g, g, 1 - beta2);
    auto denominator = at::_foreach_sqrt(v);
    divide_(denominator, n[2]);
    at::_foreach_add_(denominator, h["eps"]);
    add_quotient_(part.w, g, denominator, n[0]);
    add_quotient_(part.w, m, denominator, n[1]);
  }

  Tensors &step_ = keep("step"), &mu_product_ = keep("mu_product"), &exp_avg_ = keep("exp_avg"), &exp_avg_sq_ = keep("exp_avg_sq");
};

}  // namespace

std::unique_ptr<Base> nadam(size_t parameters) { return std::make_unique<Nadam>(parameters); }

}  // namespace steppe::optim
