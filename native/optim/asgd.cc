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
  bool has_device_form() const override { return true; }
  // 1 − λη, −η, μ
  std::vector<double> numbers(const Hyperparameters& h, size_t k) const override {
    const double eta = kept(eta_[k], static_cast<float>(h["lr"]));
    return {1 - h["lambd"] * eta, -eta, kept(mu_[k], 1)};
  }

 protected:
  void update(const Part& part) override {
    advance(part, numbers_of(*this, part));
  }
  void update_on_device(const Part& part, const Tensors& n, const at::Tensor&) override { advance(part, n); }
  void count(const Hyperparameters& h, size_t k) override {
    const double lr = h["lr"], t = number(step_[k]) += 1;
    number(eta_[k]) = static_cast<float>(lr / std::pow(1 + h["lambd"] * lr * t, h["alpha"]));
    number(mu_[k]) = static_cast<float>(1 / std::max(1.0, t - h["t0"]));
  }
  std::vector<const Tensors*> states_read(const Hyperparameters&) const override { return {&ax_}; }

 private:
  template <class Numbers>
  void advance(const Part& part, const Numbers& n) {
    const auto g = gradient(part, part.h["weightDecay"]);
    const auto ax = like_w(ax_, part);
    scale_(part.w, n[0]);
    add_(part.w, g, n[1]);
    approach_(ax, part.w, n[2]);
  }

  Tensors &step_ = keep("step"), &eta_ = keep("eta"), &mu_ = keep("mu"), &ax_ = keep("ax");
};

}  // namespace

std::unique_ptr<Base> asgd(size_t parameters) { return std::make_unique<Asgd>(parameters); }

}  // namespace steppe::optim
