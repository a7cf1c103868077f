#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>

#include <algorithm>
#include <cmath>

#include "bases.h"
#include "parts.h"

namespace steppe::optim {
namespace {

// torch.optim.ASGD (Polyak and Juditsky, SIAM J. Control Optim. 30, 1992): w ← (1 − λη)w − ηg; a ← a + μ(w − a), the averaged
// weights; then η = η₀/(1 + λη₀t)^α and μ = 1/max(1, t − t₀) for the next step.
class Asgd : public Base {
 public:
  using Base::Base;

 protected:
  void update(const Part& part) override {
    const double lr = part.h["lr"], lambd = part.h["lambd"], alpha = part.h["alpha"], t0 = part.h["t0"];
    const auto g = gradient(part, part.h["weightDecay"]);
    const auto ax = like_w(ax_, part);
    const auto t = count(step_, part);
    Scalars shrink, minus_eta, mu;
    for (const auto k : part.index) {
      const double eta = number(eta_[k], static_cast<float>(lr));
      shrink.emplace_back(1 - lambd * eta);
      minus_eta.emplace_back(-eta);
      mu.emplace_back(static_cast<double>(number(mu_[k], 1)));
    }
    at::_foreach_mul_(part.w, shrink);
    at::_foreach_add_(part.w, at::_foreach_mul(g, minus_eta));
    at::_foreach_lerp_(ax, part.w, mu);
    for (size_t i = 0; i < part.index.size(); i++) {
      number(eta_[part.index[i]]) = static_cast<float>(lr / std::pow(1 + lambd * lr * t[i], alpha));
      number(mu_[part.index[i]]) = static_cast<float>(1 / std::max(1.0, t[i] - t0));
    }
  }

 private:
  Tensors &step_ = keep("step"), &eta_ = keep("eta"), &mu_ = keep("mu"), &ax_ = keep("ax");
};

}  // namespace

std::unique_ptr<Base> asgd(size_t parameters) { return std::make_unique<Asgd>(parameters); }

}  // namespace steppe::optim
