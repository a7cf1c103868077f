#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_div.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_sqrt.h>

#include "bases.h"
#include "parts.h"

namespace steppe::optim {
namespace {

// torch.optim.Adadelta (arXiv 1212.5701): v ← ρv + (1−ρ)g²; Δ = g √(u+ε)/√(v+ε); u ← ρu + (1−ρ)Δ²; w ← w − ηΔ.
class Adadelta : public Base {
 public:
  using Base::Base;
  bool has_device_form() const override { return true; }
  std::vector<double> numbers(const Hyperparameters& h, size_t) const override { return {-h["lr"]}; }

 protected:
  void update(const Part& part) override {
    advance(part, -part.h["lr"]);
  }
  void update_on_device(const Part& part, const Tensors& n, const at::Tensor&) override { advance(part, n[0]); }
  void count(const Hyperparameters&, size_t k) override { number(step_[k]) += 1; }
  std::vector<const Tensors*> states_read(const Hyperparameters&) const override { return {&square_avg_, &acc_delta_}; }

 private:
  template <class Number>
  void advance(const Part& part, const Number& minus_lr) {
    // Called baseRho in a group, where rho is the perturbation's radius.
    const double rho = part.h["baseRho"], eps = part.h["eps"];
    const auto g = gradient(part, part.h["weightDecay"]);
    const auto square_avg = like_w(square_avg_, part), acc_delta = like_w(acc_delta_, part);
    at::_foreach_mul_(square_avg, rho);
    at::_foreach_addcmul_(square_avg, g, g, 1 - rho);
    auto root = at::_foreach_add(square_avg, eps);
    at::_foreach_sqrt_(root);
    auto delta = at::_foreach_add(acc_delta, eps);
    at::_foreach_sqrt_(delta);
    at::_foreach_div_(delta, root);
    at::_foreach_mul_(delta, g);
    at::_foreach_mul_(acc_delta, rho);
    at::_foreach_addcmul_(acc_delta, delta, delta, 1 - rho);
    add_(part.w, delta, minus_lr);
  }

  Tensors &step_ = keep("step"), &square_avg_ = keep("square_avg"), &acc_delta_ = keep("acc_delta");
};

}  // namespace

std::unique_ptr<Base> adadelta(size_t parameters) { return std::make_unique<Adadelta>(parameters); }

}  // namespace steppe::optim
