#include "ascent.h"

#include <ATen/ops/mul.h>

namespace steppe::sam {
namespace {

class Steepest : public Ascent {
 public:
  Perturbation operator()(const Gradient& g, const Step& step, Samples) override {
    bool one_radius = true, all = true;
    for (size_t k = 0; k < g.g.size(); k++) {
      if (!g.g[k].defined()) continue;
      all &= step.is_perturbed(k);
      one_radius &= step.rho(k) == step.rho(0);
    }
    if (all && one_radius) {
      if (g.norm == 0) return {};
      return {g.g, step.rho(0) / g.norm};
    }
    // Groups with a radius of their own share one norm: ε_k = ρ_k g_k/‖g‖ over the perturbed ones.
    Tensors climbing = g.g;
    for (size_t k = 0; k < climbing.size(); k++)
      if (!step.is_perturbed(k) || step.rho(k) == 0) climbing[k] = at::Tensor();
    const double length = norm(climbing);
    if (length == 0) return {};
    for (size_t k = 0; k < climbing.size(); k++)
      if (climbing[k].defined()) climbing[k] = at::mul(climbing[k], step.rho(k) / length);
    return {climbing, 1};
  }
};

}  // namespace

std::unique_ptr<Ascent> steepest() { return std::make_unique<Steepest>(); }

}  // namespace steppe::sam
