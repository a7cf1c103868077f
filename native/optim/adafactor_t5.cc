#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/square.h>

#include <algorithm>
#include <cmath>

#include "bases.h"
#include "parts.h"

namespace steppe::optim {
namespace {

// Adafactor (arXiv 1804.04235) as T5 is trained and fine-tuned with it, with the options of Hugging Face's and fairseq's
// class. With β = 1 − t^c, R and C the running means of g² + ε₁ over the last and the last but one dimension:
// V = RC/mean R, u = g/√V, u ← u/max(1, rms(u)/d), w ← w − αu (or the running mean of αu), where α = η, or with a relative
// step min(10⁻², 1/√t) (min(10⁻⁶t, 1/√t) to warm up), times max(ε₂, rms w) where it scales with the parameter.
class AdafactorT5 : public Base {
 public:
  using Base::Base;
  const Tensors* momentum() const override { return &exp_avg_; }
  bool has_device_form() const override { return true; }
  // β; α without the parameter's scale
  std::vector<double> numbers(const Hyperparameters& h, size_t k) const override {
    const double t = kept(step_[k], 0) + 1;
    const double alpha = h["relativeStep"] == 0 ? h["lr"] : std::min(h["warmupInit"] != 0 ? 1e-6 * t : 1e-2, 1 / std::sqrt(t));
    return {1 - std::pow(t, h["decayRate"]), alpha};
  }

 protected:
  void update(const Part& part) override {
    const auto& h = part.h;
    const auto dtype = part.w[0].scalar_type();
    const bool half = dtype == at::kHalf || dtype == at::kBFloat16;
    const auto in_float = [&](const Tensors& x) {
      Tensors result;
      for (const auto& each : x) result.push_back(each.to(at::kFloat));
      return result;
    };
    // Half precision is computed with, and has its state, in float32.
    const auto w = half ? in_float(part.w) : part.w;
    auto g = gradient(part, 0);
    if (half) g = in_float(g);

    const auto n = numbers_of(*this, part);
    const auto norm_w = h["scaleParameter"] != 0 ? norms(w) : std::vector<double>(w.size());
    Tensors u;
    for (size_t i = 0; i < g.size(); i++) u.push_back(scaled(g[i], part.index[i], n[0][i].toDouble(), h["eps1"]));
    const auto norm_u = norms(u);
    Scalars scale, shrink;
    for (size_t i = 0; i < u.size(); i++) {
      const double root_n = std::sqrt(static_cast<double>(u[i].numel()));
      double alpha = n[1][i].toDouble();
      if (h["scaleParameter"] != 0) alpha *= std::max(h["eps2"], norm_w[i] / root_n);
      scale.emplace_back(alpha / std::max(1.0, norm_u[i] / root_n / h["clipThreshold"]));
      shrink.emplace_back(1 - h["weightDecay"] * alpha);
    }
    at::_foreach_mul_(u, scale);
    u = averaged(part, u);
    if (h["weightDecay"] != 0) at::_foreach_mul_(w, shrink);
    at::_foreach_add_(w, u, -1);
    if (half) at::_foreach_copy_(part.w, w);
  }
  void update_on_device(const Part& part, const Tensors& n, const at::Tensor&) override {
    const auto& h = part.h;
    const auto g = gradient(part, 0);
    const auto beta2 = n[0].to(part.w[0].scalar_type());
    Tensors u;
    for (size_t i = 0; i < g.size(); i++) u.push_back(scaled(g[i], part.index[i], beta2, h["eps1"]));
    const auto root_n = root_sizes_there(u);
    auto alpha = at::ones_like(root_n).mul_(n[1]);
    if (h["scaleParameter"] != 0) alpha = alpha.mul(norms_there(part.w).div(root_n).clamp_min(h["eps2"]));
    scale_each_(u, alpha.div(norms_there(u).div(root_n).div(h["clipThreshold"]).clamp_min(1)));
    u = averaged(part, u);
    if (h["weightDecay"] != 0) scale_each_(part.w, alpha.mul(-h["weightDecay"]).add(1));
    at::_foreach_add_(part.w, u, -1);
  }
  void count(const Hyperparameters&, size_t k) override { number(step_[k]) += 1; }
  std::vector<const Tensors*> states_read(const Hyperparameters&) const override { return {&step_}; }  // made with all others

 private:
  // The running mean of u, if it is wanted.
  Tensors averaged(const Part& part, const Tensors& u) {
    const double beta1 = part.h["beta1"];
    if (std::isnan(beta1)) return u;
    Tensors m;
    for (size_t i = 0; i < u.size(); i++) m.push_back(fitted(exp_avg_[part.index[i]], u[i].sizes(), u[i].scalar_type(), u[i].device()));
    at::_foreach_mul_(m, beta1);
    at::_foreach_add_(m, u, 1 - beta1);
    return m;
  }

  // mean ← βmean + (1−β)x
  static at::Tensor average(const at::Tensor& mean, double beta, const at::Tensor& x) { return mean.mul_(beta).add_(x, 1 - beta); }
  static at::Tensor average(const at::Tensor& mean, const at::Tensor& beta, const at::Tensor& x) { return mean.mul_(beta).add_(x.mul(beta.neg().add(1))); }

  // u = g/√V.
  template <class Number>
  at::Tensor scaled(const at::Tensor& g, size_t k, const Number& beta2, double eps1) {
    const auto square = at::square(g).add_(eps1);
    const auto running = [&](at::Tensor& state, const at::Tensor& x) {
      return average(fitted(state, x.sizes(), x.scalar_type(), x.device()), beta2, x);
    };
    if (g.dim() < 2) return at::rsqrt(running(exp_avg_sq_[k], square)).mul_(g);
    const auto row = running(exp_avg_sq_row_[k], square.mean({-1}));
    const auto column = running(exp_avg_sq_col_[k], square.mean({-2}));
    const auto of_row = row.div(row.mean({-1}, /*keepdim=*/true)).rsqrt_().unsqueeze(-1);
    return at::mul(of_row, column.unsqueeze(-2).rsqrt()).mul_(g);
  }

  Tensors &step_ = keep("step"), &exp_avg_ = keep("exp_avg"), &exp_avg_sq_ = keep("exp_avg_sq"),
          &exp_avg_sq_row_ = keep("exp_avg_sq_row"), &exp_avg_sq_col_ = keep("exp_avg_sq_col");
};

}  // namespace

std::unique_ptr<Base> adafactor_t5(size_t parameters) { return std::make_unique<AdafactorT5>(parameters); }

}  // namespace steppe::optim
