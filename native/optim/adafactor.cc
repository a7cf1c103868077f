#include <ATen/ops/_foreach_clamp_min.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_rsqrt.h>
#include <ATen/ops/_foreach_sub.h>
#include <ATen/ops/clone.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/norm.h>
#include <ATen/ops/square.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "bases.h"
#include "parts.h"

namespace steppe::optim {
namespace {

double machine_epsilon(at::ScalarType dtype) {
  switch (dtype) {
    case at::kDouble: return std::numeric_limits<double>::epsilon();
    case at::kHalf: return static_cast<float>(std::numeric_limits<c10::Half>::epsilon());
    case at::kBFloat16: return static_cast<float>(std::numeric_limits<c10::BFloat16>::epsilon());
    default: return std::numeric_limits<float>::epsilon();
  }
}

// The mean of g² over one dimension, which stays, without g² in memory.
at::Tensor mean_square(const at::Tensor& g, int64_t dim) { return at::norm(g, 2, {dim}, /*keepdim=*/true).square_().div_(g.size(dim)); }

// torch.optim.Adafactor (arXiv 1804.04235). With β = 1 − t^τ, R and C the running means of g² over the last and the last but
// one dimension (V of g² itself for vectors): V = RC/max(mean R, ε₁), u = g/max(√V, ε₁),
// w ← (1 − ηλ)w − max(ε₂, rms w) min(η, 1/√t) u/max(1, rms(u)/d).
class Adafactor : public Base {
 public:
  using Base::Base;
  bool has_device_form() const override { return true; }
  // 1 − β; min(η, 1/√t); 1 − ηλ
  std::vector<double> numbers(const Hyperparameters& h, size_t k) const override {
    const double t = kept(step_[k], 0) + 1;
    return {std::pow(t, h["beta2Decay"]), std::min(h["lr"], 1 / std::sqrt(t)), 1 - h["lr"] * h["weightDecay"]};
  }

 protected:
  void update(const Part& part) override {
    const auto& h = part.h;
    const auto n = numbers_of(*this, part);
    const auto norm_w = norms(part.w);
    if (h["weightDecay"] != 0) scale_(part.w, n[2]);
    const auto u = normalised(part, [&](size_t i) { return n[0][i].toDouble(); });
    const auto norm_u = norms(u);
    Scalars scale;
    for (size_t i = 0; i < u.size(); i++) {
      const double root_n = std::sqrt(static_cast<double>(u[i].numel()));
      const double alpha = std::max(h["eps2"], norm_w[i] / root_n) * n[1][i].toDouble();
      scale.emplace_back(-alpha / std::max(1.0, norm_u[i] / (root_n * h["d"])));
    }
    add_(part.w, u, scale);
  }
  void update_on_device(const Part& part, const Tensors& n, const at::Tensor&) override {
    const auto& h = part.h;
    const auto root_n = root_sizes_there(part.w), norm_w = norms_there(part.w);
    if (h["weightDecay"] != 0) scale_(part.w, n[2]);
    const auto one_minus_beta2 = n[0].to(part.w[0].scalar_type());
    const auto u = normalised(part, [&](size_t) { return one_minus_beta2; });
    const auto alpha = norm_w.div(root_n).clamp_min(h["eps2"]).mul(n[1]);
    scale_each_(u, alpha.div(norms_there(u).div(root_n).div(h["d"]).clamp_min(1)));
    at::_foreach_sub_(part.w, u);
  }
  void count(const Hyperparameters&, size_t k) override { number(step_[k]) += 1; }
  std::vector<const Tensors*> states_read(const Hyperparameters&) const override { return {&step_}; }  // made with all others

 private:
  // u
  template <class Weight>
  Tensors normalised(const Part& part, const Weight& one_minus_beta2) {
    const double eps1 = std::isnan(part.h["eps1"]) ? machine_epsilon(part.w[0].scalar_type()) : part.h["eps1"];
    const auto g = gradient(part, 0);
    Tensors u;
    for (size_t i = 0; i < g.size(); i++) u.push_back(variance(g[i], part.index[i], one_minus_beta2(i), eps1));
    at::_foreach_clamp_min_(u, eps1 * eps1);
    at::_foreach_rsqrt_(u);
    at::_foreach_mul_(u, g);
    return u;
  }

  // The running estimate of g², as a tensor of its own.
  template <class Number>
  at::Tensor variance(const at::Tensor& g, size_t k, const Number& one_minus_beta2, double eps1) {
    if (g.dim() < 2) {
      fitted(variance_[k], g.sizes(), g.scalar_type(), g.device()).lerp_(at::square(g), one_minus_beta2);
      return variance_[k].clone();
    }
    auto rows = g.sizes().vec(), columns = rows;
    rows.end()[-1] = columns.end()[-2] = 1;
    const auto& row = fitted(row_var_[k], rows, g.scalar_type(), g.device()).lerp_(mean_square(g, -1), one_minus_beta2);
    const auto& column = fitted(col_var_[k], columns, g.scalar_type(), g.device()).lerp_(mean_square(g, -2), one_minus_beta2);
    return at::matmul(row, column).div_(row.mean({-2}, /*keepdim=*/true).clamp_min_(eps1));
  }

  Tensors &step_ = keep("step"), &row_var_ = keep("row_var"), &col_var_ = keep("col_var"), &variance_ = keep("variance");
};

}  // namespace

std::unique_ptr<Base> adafactor(size_t parameters) { return std::make_unique<Adafactor>(parameters); }

}  // namespace steppe::optim
