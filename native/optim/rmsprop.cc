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

 protected:
  void update(const Part& part) override {
    const double lr = part.h["lr"], alpha = part.h["alpha"], momentum = part.h["momentum"];
    const auto g = gradient(part, part.h["weightDecay"]);
    const auto v = like_w(square_avg_, part);
    count(step_, part);
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
      at::_foreach_add_(part.w, b, -lr);
    } else {
      at::_foreach_addcdiv_(part.w, g, q, -lr);
    }
  }

 private:
  Tensors &step_ = keep("step"), &square_avg_ = keep("square_avg"), &momentum_buffer_ = keep("momentum_buffer"), &grad_avg_ = keep("grad_avg");
};

}  // namespace

std::unique_ptr<Base> rmsprop(size_t parameters) { return std::make_unique<RmsProp>(parameters); }

}  // namespace steppe::optim
