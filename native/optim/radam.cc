#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcdiv.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_sqrt.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>

#include <cmath>

#include "bases.h"
#include "parts.h"

namespace steppe::optim {
namespace {

// torch.optim.RAdam (arXiv 1908.03265): Adam whose step is rectified by the variance of 1/√v, and that leaves √v out while
// that variance is not defined (the first steps).
class Radam : public Base {
 public:
  using Base::Base;
  const Tensors* momentum() const override { return &exp_avg_; }
  bool has_device_form() const override { return true; }
  // What m is multiplied by; whether by 1/√v, too; what decoupled weight decay leaves of w.
  std::vector<double> numbers(const Hyperparameters& h, size_t k) const override {
    const double lr = h["lr"], beta2 = h["beta2"], t = kept(step_[k], 0) + 1, shrink = 1 - lr * h["weightDecay"];
    const double correction1 = 1 - std::pow(h["beta1"], t), correction2 = 1 - std::pow(beta2, t);
    const double rho_inf = 2 / (1 - beta2) - 1, rho_t = rho_inf - 2 * t * std::pow(beta2, t) / correction2;
    if (rho_t <= 5) return {-lr / correction1, 0, shrink};
    const double rect = std::sqrt((rho_t - 4) * (rho_t - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho_t));
    return {-lr * rect * std::sqrt(correction2) / correction1, 1, shrink};
  }

 protected:
  void update(const Part& part) override {
    const auto n = numbers_of(*this, part);
    const auto [m, v] = moments(part, n[2]);
    std::vector<size_t> rectified, plain;
    Scalars rectified_scale, plain_scale;
    for (size_t i = 0; i < part.index.size(); i++) {
      const bool is_rectified = n[1][i].toDouble() != 0;
      (is_rectified ? rectified : plain).push_back(i);
      (is_rectified ? rectified_scale : plain_scale).push_back(n[0][i]);
    }
    if (!rectified.empty()) {
      auto root = at::_foreach_sqrt(pick(v, rectified));
      at::_foreach_add_(root, part.h["eps"]);
      at::_foreach_addcdiv_(pick(part.w, rectified), pick(m, rectified), root, rectified_scale);
    }
    if (!plain.empty()) add_(pick(part.w, plain), pick(m, plain), plain_scale);
  }
  void update_on_device(const Part& part, const Tensors& n, const at::Tensor&) override {
    const auto [m, v] = moments(part, n[2]);
    auto root = at::_foreach_sqrt(v);
    at::_foreach_add_(root, part.h["eps"]);
    for (auto& each : root) each = at::where(n[1].eq(0), at::ones_like(each), each);
    add_quotient_(part.w, m, root, n[0]);
  }
  void count(const Hyperparameters&, size_t k) override { number(step_[k]) += 1; }
  std::vector<const Tensors*> states_read(const Hyperparameters&) const override { return {&exp_avg_, &exp_avg_sq_}; }

 private:
  template <class Number>
  std::pair<Tensors, Tensors> moments(const Part& part, const Number& shrink) {
    const auto& h = part.h;
    const double beta1 = h["beta1"], beta2 = h["beta2"];
    const bool decoupled = h["decoupledWeightDecay"] != 0;
    if (decoupled && h["weightDecay"] != 0) scale_(part.w, shrink);
    const auto g = gradient(part, decoupled ? 0 : h["weightDecay"]);
    const auto m = like_w(exp_avg_, part), v = like_w(exp_avg_sq_, part);
    at::_foreach_lerp_(m, g, 1 - beta1);
    at::_foreach_mul_(v, beta2);
    at::_foreach_addcmul_(v, g, g, 1 - beta2);
    return {m, v};
  }

  Tensors &step_ = keep("step"), &exp_avg_ = keep("exp_avg"), &exp_avg_sq_ = keep("exp_avg_sq");
};

}  // namespace

std::unique_ptr<Base> radam(size_t parameters) { return std::make_unique<Radam>(parameters); }

}  // namespace steppe::optim
