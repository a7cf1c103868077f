#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_sqrt.h>
#include <ATen/ops/_fused_adagrad.h>
#include <ATen/ops/full.h>
#include <c10/core/TensorOptions.h>

#include <map>

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
  bool has_device_form() const override { return true; }
  // −η/(1 + (t−1)κ)
  std::vector<double> numbers(const Hyperparameters& h, size_t k) const override { return {-h["lr"] / (1 + kept(step_[k], 0) * h["lrDecay"])}; }

 protected:
  void update(const Part& part) override {
    const auto& h = part.h;
    if (!has_fused_kernel(part.w[0])) return advance(part, numbers_of(*this, part)[0]);
    // The kernel reads the count, that of this step, where the parameter is; most parameters have the same.
    std::map<float, at::Tensor> counts;
    Tensors step;
    for (const auto k : part.index) {
      const float t = number(step_[k]) + 1;
      auto& there = counts[t];
      if (!there.defined()) there = at::full({}, t, part.w[0].options().dtype(at::kFloat));
      step.push_back(there);
    }
    at::_fused_adagrad_(part.w, part.d, like_w(sum_, part, h["initialAccumulatorValue"]), step, h["lr"], h["lrDecay"], h["weightDecay"], h["eps"], h["maximize"] != 0);
  }
  void update_on_device(const Part& part, const Tensors& n, const at::Tensor&) override { advance(part, n[0]); }
  void count(const Hyperparameters&, size_t k) override { number(step_[k]) += 1; }
  std::vector<const Tensors*> states_read(const Hyperparameters&) const override { return {&sum_}; }

 private:
  template <class Number>
  void advance(const Part& part, const Number& minus_lr) {
    const auto g = gradient(part, part.h["weightDecay"]);
    const auto sum = like_w(sum_, part, part.h["initialAccumulatorValue"]);
    at::_foreach_addcmul_(sum, g, g);
    auto root = at::_foreach_sqrt(sum);
    at::_foreach_add_(root, part.h["eps"]);
    add_quotient_(part.w, g, root, minus_lr);
  }

  Tensors &step_ = keep("step"), &sum_ = keep("sum");
};

}  // namespace

std::unique_ptr<Base> adagrad(size_t parameters) { return std::make_unique<Adagrad>(parameters); }

}  // namespace steppe::optim
