#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_sign.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/ones_like.h>

#include "bases.h"
#include "parts.h"

namespace steppe::optim {
namespace {

// torch.optim.Rprop (Riedmiller and Braun, ICNN 1993): each element has a step size of its own, which grows by η⁺ while the
// gradient keeps its sign and shrinks by η⁻ when it turns; w ← w − sign(g)·size, not at a turn. The learning rate is the first size.
class Rprop : public Base {
 public:
  using Base::Base;
  bool has_device_form() const override { return true; }
  std::vector<double> numbers(const Hyperparameters&, size_t) const override { return {}; }

 protected:
  void update(const Part& part) override {
    advance(part);
  }
  void update_on_device(const Part& part, const Tensors&, const at::Tensor&) override { advance(part); }
  void count(const Hyperparameters&, size_t k) override { number(step_[k]) += 1; }
  std::vector<const Tensors*> states_read(const Hyperparameters&) const override { return {&prev_, &step_size_}; }

 private:
  void advance(const Part& part) {
    const auto& h = part.h;
    const auto g = gradient(part, 0);
    const auto prev = like_w(prev_, part), size = like_w(step_size_, part, h["lr"]);
    auto turn = at::_foreach_mul(g, prev);
    at::_foreach_copy_(prev, g);
    for (size_t i = 0; i < turn.size(); i++) {
      const auto turned = turn[i].lt(0);
      const auto factor = at::ones_like(turn[i]).masked_fill_(turn[i].gt(0), h["etaPlus"]).masked_fill_(turned, h["etaMinus"]);
      size[i].mul_(factor).clamp_(h["stepSizeMin"], h["stepSizeMax"]);
      prev[i].masked_fill_(turned, 0);
    }
    at::_foreach_addcmul_(part.w, at::_foreach_sign(prev), size, -1);
  }

  Tensors &step_ = keep("step"), &prev_ = keep("prev"), &step_size_ = keep("step_size");
};

}  // namespace

std::unique_ptr<Base> rprop(size_t parameters) { return std::make_unique<Rprop>(parameters); }

}  // namespace steppe::optim
