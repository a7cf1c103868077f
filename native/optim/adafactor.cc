#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_clamp_min.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_rsqrt.h>
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

 protected:
  void update(const Part& part) override {
    const auto& h = part.h;
    const double lr = h["lr"], eps1 = std::isnan(h["eps1"]) ? machine_epsilon(part.w[0].scalar_type()) : h["eps1"], eps2 = h["eps2"];
    const auto g = gradient(part, 0);
    const auto t = count(step_, part);
    const auto norm_w = norms(part.w);
    decay(part, lr, h["weightDecay"]);
    Tensors u;
    for (size_t i = 0; i < g.size(); i++) u.push_back(variance(g[i], part.index[i], std::pow(t[i], h["beta2Decay"]), eps1));
    at::_foreach_clamp_min_(u, eps1 * eps1);
    at::_foreach_rsqrt_(u);
    at::_foreach_mul_(u, g);
    const auto norm_u = norms(u);
    Scalars scale;
    for (size_t i = 0; i < u.size(); i++) {
      const double root_n = std::sqrt(static_cast<double>(u[i].numel()));
      const double alpha = std::max(eps2, norm_w[i] / root_n) * std::min(lr, 1 / std::sqrt(t[i]));
      scale.emplace_back(-alpha / std::max(1.0, norm_u[i] / (root_n * h["d"])));
    }
    at::_foreach_mul_(u, scale);
    at::_foreach_add_(part.w, u);
  }

 private:
  // The running estimate of g², as a tensor of its own.
  at::Tensor variance(const at::Tensor& g, size_t k, double one_minus_beta2, double eps1) {
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
