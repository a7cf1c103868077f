#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcdiv.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_sqrt.h>
#include <ATen/ops/_fused_adagrad.h>
#include <c10/core/TensorOptions.h>

#include "bases.h"
#include "parts.h"

namespace steppe::optim {
namespace {

bool has_fused_kernel(const at::Tensor& w) {
  static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("aten::_fused_adagrad_", "");
  return op.hasKernelForDispatchKey(c10::computeDispatchKey(std::nullopt, std::nullopt, w.device()));
}

// torch.optim.Adagrad (JMLR 12, 2011): s ← s + g²; w ← w − η/(1 + (t−1)κ) g/(√s + ε).
class Adagrad : public Base {
 public:
  using Base::Base;

 protected:
  void update(const Part& part) override {
    const auto& h = part.h;
    const double lr = h["lr"], lr_decay = h["lrDecay"], weight_decay = h["weightDecay"], eps = h["eps"];
    const auto sum = like_w(sum_, part, h["initialAccumulatorValue"]);
    if (has_fused_kernel(part.w[0])) {
      Tensors step;  // where the parameter is: the kernel reads it there
      for (size_t i = 0; i < part.index.size(); i++) step.push_back(fitted(step_[part.index[i]], {}, at::kFloat, part.w[i].device()));
      at::_foreach_add_(step, 1);
      at::_fused_adagrad_(part.w, part.d, sum, step, lr, lr_decay, weight_decay, eps, h["maximize"] != 0);
      return;
    }
    const auto t = optim::count(step_, part);
    const auto g = gradient(part, weight_decay);
    at::_foreach_addcmul_(sum, g, g);
    auto root = at::_foreach_sqrt(sum);
    at::_foreach_add_(root, eps);
    at::_foreach_addcdiv_(part.w, g, root, scalars(t, [&](double t) { return -lr / (1 + (t - 1) * lr_decay); }));
  }

 private:
  Tensors &step_ = keep("step"), &sum_ = keep("sum");
};

}  // namespace

std::unique_ptr<Base> adagrad(size_t parameters) { return std::make_unique<Adagrad>(parameters); }

}  // namespace steppe::optim
