#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcdiv.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_sqrt.h>

#include "bases.h"
#include "parts.h"

namespace steppe::optim {
namespace {

// torch.optim.RMSprop (Hinton's lecture 6e; centered: arXiv 1308.0850): v ← αv + (1−α)g²; q = √v + ε, centered √(v − ḡ²) + ε
// with ḡ ← αḡ + (1−α)g; w ← w − ηg/q, or with momentum b ← μb + g/q; w ← w − ηb.
class RmsProp : public Base {
 public:
  using Base::Base;
  const Tensors* momentum() const override { return &momentum_buffer_; }
  bool has_device_form() const override { return true; }
  std::vector<double> numbers(const Hyperparameters& h, size_t) const override { return {-h["lr"]}; }

 protected:
  void update(const Part& part) override {
    advance(part, -part.h["lr"]);
  }
  void update_on_device(const Part& part, const Tensors& n, const at::Tensor&) override { advance(part, n[0]); }
  void count(const Hyperparameters&, size_t k) override { number(step_[k]) += 1; }
  std::vector<const Tensors*> states_read(const Hyperparameters& h) const override {
    std::vector<const Tensors*> states{&square_avg_};
    if (h["centered"] != 0) states.push_back(&grad_avg_);
    if (h["momentum"] > 0) states.push_back(&momentum_buffer_);
    return states;
  }

 private:
  template <class Number>
  void advance(const Part& part, const Number& minus_lr) {
    const double alpha = part.h["alpha"], momentum = part.h["momentum"];
    const auto g = gradient(part, part.h["weightDecay"]);
    const auto v = like_w(square_avg_, part);
    at::_foreach_mul_(v, alpha);
    at::_foreach_addcmul_(v, g, g, 1 - alpha);
    Tensors q;
    if (part.h["centered"] != 0) {
      const auto mean = like_w(grad_avg_, part);
      at::_foreach_lerp_(mean, g, 1 - alpha);
      q = at::_foreach_addcmul(v, mean, mean, -1);
      at::_foreach_sqrt_(q);
    } else {
      q = at::_foreach_sqrt(v);
    }
    at::_foreach_add_(q, part.h["eps"]);
    if (momentum > 0) {
      const auto b = like_w(momentum_buffer_, part);
      at::_foreach_mul_(b, momentum);
      at::_foreach_addcdiv_(b, g, q);
      add_(part.w, b, minus_lr);
    } else {
      add_quotient_(part.w, g, q, minus_lr);
    }
  }

  Tensors &step_ = keep("step"), &square_avg_ = keep("square_avg"), &momentum_buffer_ = keep("momentum_buffer"), &grad_avg_ = keep("grad_avg");
};

}  // namespace

std::unique_ptr<Base> rmsprop(size_t parameters) { return std::make_unique<RmsProp>(parameters); }

}  // namespace steppe::optim
