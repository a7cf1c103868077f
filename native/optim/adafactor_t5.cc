#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mul.h>
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

    const auto t = count(step_, part);
    const auto norm_w = h["scaleParameter"] != 0 ? norms(w) : std::vector<double>(w.size());
    Tensors u;
    for (size_t i = 0; i < g.size(); i++) u.push_back(scaled(g[i], part.index[i], 1 - std::pow(t[i], h["decayRate"]), h["eps1"]));
    const auto norm_u = norms(u);
    Scalars scale, shrink;
    for (size_t i = 0; i < u.size(); i++) {
      const double root_n = std::sqrt(static_cast<double>(u[i].numel()));
      double alpha = h["lr"];
      if (h["relativeStep"] != 0) alpha = std::min(h["warmupInit"] != 0 ? 1e-6 * t[i] : 1e-2, 1 / std::sqrt(t[i]));
      if (h["scaleParameter"] != 0) alpha *= std::max(h["eps2"], norm_w[i] / root_n);
      scale.emplace_back(alpha / std::max(1.0, norm_u[i] / root_n / h["clipThreshold"]));
      shrink.emplace_back(1 - h["weightDecay"] * alpha);
    }
    at::_foreach_mul_(u, scale);
    if (const double beta1 = h["beta1"]; !std::isnan(beta1)) {
      Tensors m;
      for (size_t i = 0; i < u.size(); i++) m.push_back(fitted(exp_avg_[part.index[i]], u[i].sizes(), u[i].scalar_type(), u[i].device()));
      at::_foreach_mul_(m, beta1);
      at::_foreach_add_(m, u, 1 - beta1);
      u = m;
    }
    if (h["weightDecay"] != 0) at::_foreach_mul_(w, shrink);
    at::_foreach_add_(w, u, -1);
    if (half) at::_foreach_copy_(part.w, w);
  }

 private:
  // u = g/√V.
  at::Tensor scaled(const at::Tensor& g, size_t k, double beta2, double eps1) {
    const auto square = at::square(g).add_(eps1);
    const auto running = [&](at::Tensor& state, const at::Tensor& x) {
      return fitted(state, x.sizes(), x.scalar_type(), x.device()).mul_(beta2).add_(x, 1 - beta2);
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
