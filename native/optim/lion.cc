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
  bool has_device_form() const override { return true; }
  std::vector<double> numbers(const Hyperparameters& h, size_t) const override { return {-h["lr"], 1 - h["lr"] * h["weightDecay"]}; }

 protected:
  void update(const Part& part) override {
    const auto n = numbers(part.h, 0);
    advance(part, n[0], n[1]);
  }
  void update_on_device(const Part& part, const Tensors& n, const at::Tensor&) override { advance(part, n[0], n[1]); }
  std::vector<const Tensors*> states_read(const Hyperparameters&) const override { return {&exp_avg_}; }

 private:
  template <class Number>
  void advance(const Part& part, const Number& minus_lr, const Number& shrink) {
    const double beta1 = part.h["beta1"], beta2 = part.h["beta2"];
    const auto g = gradient(part, 0);
    const auto m = like_w(exp_avg_, part);
    auto direction = at::_foreach_lerp(m, g, 1 - beta1);
    at::_foreach_sign_(direction);
    if (part.h["weightDecay"] != 0) scale_(part.w, shrink);
    add_(part.w, direction, minus_lr);
    at::_foreach_lerp_(m, g, 1 - beta2);
  }

  Tensors& exp_avg_ = keep("exp_avg");
};

}  // namespace

std::unique_ptr<Base> lion(size_t parameters) { return std::make_unique<Lion>(parameters); }

}  // namespace steppe::optim
