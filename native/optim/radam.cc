#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcdiv.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_sqrt.h>

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

 protected:
  void update(const Part& part) override {
    const auto& h = part.h;
    const double lr = h["lr"], beta1 = h["beta1"], beta2 = h["beta2"];
    const bool decoupled = h["decoupledWeightDecay"] != 0;
    if (decoupled) decay(part, lr, h["weightDecay"]);
    const auto g = gradient(part, decoupled ? 0 : h["weightDecay"]);
    const auto m = like_w(exp_avg_, part), v = like_w(exp_avg_sq_, part);
    const auto t = count(step_, part);
    at::_foreach_lerp_(m, g, 1 - beta1);
    at::_foreach_mul_(v, beta2);
    at::_foreach_addcmul_(v, g, g, 1 - beta2);

    std::vector<size_t> rectified, plain;
    Scalars rectified_scale, plain_scale;
    const double rho_inf = 2 / (1 - beta2) - 1;
    for (size_t i = 0; i < t.size(); i++) {
      const double correction1 = 1 - std::pow(beta1, t[i]), correction2 = 1 - std::pow(beta2, t[i]);
      const double rho_t = rho_inf - 2 * t[i] * std::pow(beta2, t[i]) / correction2;
      if (rho_t > 5) {
        const double rect = std::sqrt((rho_t - 4) * (rho_t - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho_t));
        rectified.push_back(i);
        rectified_scale.emplace_back(-lr * rect * std::sqrt(correction2) / correction1);
      } else {
        plain.push_back(i);
        plain_scale.emplace_back(-lr / correction1);
      }
    }
    if (!rectified.empty()) {
      auto root = at::_foreach_sqrt(pick(v, rectified));
      at::_foreach_add_(root, h["eps"]);
      at::_foreach_addcdiv_(pick(part.w, rectified), pick(m, rectified), root, rectified_scale);
    }
    if (!plain.empty()) at::_foreach_add_(pick(part.w, plain), at::_foreach_mul(pick(m, plain), plain_scale));
  }

 private:
  Tensors &step_ = keep("step"), &exp_avg_ = keep("exp_avg"), &exp_avg_sq_ = keep("exp_avg_sq");
};

}  // namespace

std::unique_ptr<Base> radam(size_t parameters) { return std::make_unique<Radam>(parameters); }

}  // namespace steppe::optim
