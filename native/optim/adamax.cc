#include <ATen/ops/_foreach_abs.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_maximum.h>
#include <ATen/ops/_foreach_mul.h>

#include <cmath>

#include "bases.h"
#include "parts.h"

namespace steppe::optim {
namespace {

// torch.optim.Adamax (arXiv 1412.6980, section 7.1): m ← β₁m + (1−β₁)g; u ← max(β₂u, |g| + ε); w ← w − η/(1−β₁ᵗ) m/u.
class Adamax : public Base {
 public:
  using Base::Base;
  const Tensors* momentum() const override { return &exp_avg_; }
  bool has_device_form() const override { return true; }
  std::vector<double> numbers(const Hyperparameters& h, size_t k) const override { return {-h["lr"] / (1 - std::pow(h["beta1"], kept(step_[k], 0) + 1))}; }

 protected:
  void update(const Part& part) override {
    advance(part, numbers_of(*this, part)[0]);
  }
  void update_on_device(const Part& part, const Tensors& n, const at::Tensor&) override { advance(part, n[0]); }
  void count(const Hyperparameters&, size_t k) override { number(step_[k]) += 1; }
  std::vector<const Tensors*> states_read(const Hyperparameters&) const override { return {&exp_avg_, &exp_inf_}; }

 private:
  template <class Number>
  void advance(const Part& part, const Number& minus_rate) {
    const double beta1 = part.h["beta1"], beta2 = part.h["beta2"], eps = part.h["eps"];
    const auto g = gradient(part, part.h["weightDecay"]);
    const auto m = like_w(exp_avg_, part), u = like_w(exp_inf_, part);
    at::_foreach_lerp_(m, g, 1 - beta1);
    at::_foreach_mul_(u, beta2);
    auto size = at::_foreach_abs(g);
    at::_foreach_add_(size, eps);
    at::_foreach_maximum_(u, size);
    add_quotient_(part.w, m, u, minus_rate);
  }

  Tensors &step_ = keep("step"), &exp_avg_ = keep("exp_avg"), &exp_inf_ = keep("exp_inf");
};

}  // namespace

std::unique_ptr<Base> adamax(size_t parameters) { return std::make_unique<Adamax>(parameters); }

}  // namespace steppe::optim
