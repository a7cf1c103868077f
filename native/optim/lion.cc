#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_sign.h>

#include "bases.h"
#include "parts.h"

namespace steppe::optim {
namespace {

// Lion (arXiv 2302.06675, algorithm 2): w ← w − η(sign(β₁m + (1−β₁)g) + λw); m ← β₂m + (1−β₂)g.
class Lion : public Base {
 public:
  using Base::Base;
  const Tensors* momentum() const override { return &exp_avg_; }

 protected:
  void update(const Part& part) override {
    const double lr = part.h["lr"], beta1 = part.h["beta1"], beta2 = part.h["beta2"];
    const auto g = gradient(part, 0);
    const auto m = like_w(exp_avg_, part);
    auto direction = at::_foreach_lerp(m, g, 1 - beta1);
    at::_foreach_sign_(direction);
    decay(part, lr, part.h["weightDecay"]);
    at::_foreach_add_(part.w, direction, -lr);
    at::_foreach_lerp_(m, g, 1 - beta2);
  }

 private:
  Tensors& exp_avg_ = keep("exp_avg");
};

}  // namespace

std::unique_ptr<Base> lion(size_t parameters) { return std::make_unique<Lion>(parameters); }

}  // namespace steppe::optim
