// Part "combine": how g = ∇L(w) and g_p = ∇L(w+ε) become the direction d that the base optimizer takes.
#include "parts.h"

namespace steppe::sam {
namespace {

// x − a(y − ⟨y,u⟩u), u = n(x): y's part along x is left out.
Tensors minus_across(const Step& step, Tensors x, double norm_of_x, double a, const Tensors& y) {
  const double along = step.share_along(y, x, norm_of_x);
  return combination(1 + a * along, std::move(x), -a, y);
}

// GSAM (arXiv 2203.08065): d = g_p − α(g − ⟨g,u⟩u), u = n(g_p).
class SurrogateGap : public Combine {
 public:
  explicit SurrogateGap(double alpha) : alpha_(alpha) {}
  bool reads_gradient() const override { return true; }
  Tensors operator()(Gradient& g, Gradient& g_p, const Perturbation&, const Step& step, const Piece&) override {
    return minus_across(step, std::move(g_p.g), g_p.norm, alpha_, g.g);
  }

 private:
  double alpha_;
};

// WSAM (arXiv 2305.15817): Opt(w, g), then w ← w − lr·γ/(1−γ)·(g_p − g), past the base optimizer's state.
class Weighted : public Combine {
 public:
  explicit Weighted(double gamma) : gamma_(gamma) {}
  bool reads_gradient() const override { return true; }
  Tensors operator()(Gradient& g, Gradient& g_p, const Perturbation&, const Step&, const Piece&) override {
    sharpness_ = add(std::move(g_p.g), g.g, -1);
    return std::move(g.g);
  }
  void finish(const Step& step) override {
    if (sharpness_.empty()) return;  // a step that took no perturbation
    std::vector<double> factors(sharpness_.size());
    for (size_t k = 0; k < factors.size(); k++) factors[k] = -step.group(k)["lr"] * gamma_ / (1 - gamma_);
    add_to(step.w, factors, sharpness_);
    sharpness_.clear();
  }
  void discard() override { sharpness_.clear(); }

 private:
  double gamma_;
  Tensors sharpness_;
};

// LookSAM (arXiv 2203.02714): v = n(g_p − ⟨g_p,n(g)⟩n(g)) of the last perturbed step; the others take d = g + α‖g‖v.
class Reuse : public Combine {
 public:
  Reuse(size_t parameters, double alpha) : alpha_(alpha), now_(parameters), next_(parameters) {}
  bool reads_gradient() const override { return true; }
  Tensors operator()(Gradient& g, Gradient& g_p, const Perturbation&, const Step& step, const Piece&) override {
    const double along = step.share_along(g_p.g, g.g, g.norm);
    auto v = combination(-along, std::move(g.g), 1, g_p.g);
    // What rounding leaves of two gradients that point the same way is no direction.
    const double length = step.norm(v);
    next_ = scaled(std::move(v), length > 4 * rounding(g_p.g) * g_p.norm ? 1 / length : 0);
    return std::move(g_p.g);
  }
  // A parameter without a gradient in this step's one pass is left alone.
  Tensors plain(const Gradient& g, const Step&) override { return add(g.g, where_defined(now_, g.g), alpha_ * g.norm); }
  void commit() override { now_ = next_; }
  void discard() override { next_ = now_; }
  void remember(Memory& memory) override { memory.tensors["reused"] = &now_; }

 private:
  double alpha_;
  Tensors now_, next_;
};

// StableSAM (arXiv 2401.07250): d = g_p ‖g‖/‖g_p‖.
class Renormalised : public Combine {
 public:
  Tensors operator()(Gradient& g, Gradient& g_p, const Perturbation&, const Step&, const Piece&) override {
    return scaled(std::move(g_p.g), g.norm * inverse(g_p.norm));
  }
};

// CR-SAM (arXiv 2312.13555): g± = ∇L(w±ε), d = g₊ + γ(g₊+g₋−2g) + β(g₊−g₋).
class Curvature : public Combine {
 public:
  Curvature(double gamma, double beta) : gamma_(gamma), beta_(beta) {}
  bool reads_gradient() const override { return true; }
  bool reads_perturbation() const override { return true; }
  Tensors operator()(Gradient& g, Gradient& g_p, const Perturbation& epsilon, const Step& step, const Piece& piece) override {
    const auto g_m = step.at(epsilon, {.samples = piece.descend}, "the third pass's", -1);
    auto d = combination(1 + gamma_ + beta_, std::move(g_p.g), gamma_ - beta_, g_m.g);
    return add(std::move(d), g.g, -2 * gamma_);
  }

 private:
  double gamma_, beta_;
};

// GAM (arXiv 2303.03108): h = g_r − g with g_r = ∇L(w+r n(g)), w₁ = w + r' n(h), g₂ = ∇L(w₁), g₃ = ∇L(w₁ + r n(g₂)),
// P = g + β₂g₂, G = β₁g_r + β₃g₃, d = G − γ(P − ⟨P,n(G)⟩n(G)).
class FirstOrderFlatness : public Combine {
 public:
  FirstOrderFlatness(double norm_rho, double beta1, double beta2, double beta3, double gamma)
      : norm_rho_(norm_rho), beta1_(beta1), beta2_(beta2), beta3_(beta3), gamma_(gamma) {}
  bool reads_gradient() const override { return true; }
  Tensors operator()(Gradient& g, Gradient& g_r, const Perturbation&, const Step& step, const Piece& piece) override {
    auto h = step.perturbed_part(add(g_r.g, g.g, -1));
    const double length = norm(h);
    const auto to_w1 = scaled(std::move(h), norm_rho_ * inverse(length));
    const std::vector<double> ones(to_w1.size(), 1);
    const auto g2 = step.at({to_w1, ones}, {.samples = piece.descend}, "the third pass's");
    std::vector<double> beyond(ones.size());
    for (size_t k = 0; k < beyond.size(); k++) beyond[k] = step.rho(k) * inverse(g2.norm);
    const auto g3 = step.at({combination(ones, to_w1, beyond, step.perturbed_part(g2.g)), ones}, {.samples = piece.descend}, "the fourth pass's");
    const auto p = add(std::move(g.g), g2.g, beta2_);
    auto big_g = combination(beta1_, std::move(g_r.g), beta3_, g3.g);
    const double length_of_big_g = step.norm(big_g);
    return minus_across(step, std::move(big_g), length_of_big_g, gamma_, p);
  }

 private:
  double norm_rho_, beta1_, beta2_, beta3_, gamma_;
};

}  // namespace

std::unique_ptr<Combine> make_combine(const PartSpec& spec, size_t parameters) {
  if (spec.name == "perturbed") return std::make_unique<Combine>();
  if (spec.name == "surrogateGap") return std::make_unique<SurrogateGap>(spec["alpha"]);
  if (spec.name == "weighted") return std::make_unique<Weighted>(spec["gamma"]);
  if (spec.name == "reuse") return std::make_unique<Reuse>(parameters, spec["alpha"]);
  if (spec.name == "renormalised") return std::make_unique<Renormalised>();
  if (spec.name == "curvature") return std::make_unique<Curvature>(spec["gamma"], spec["beta"]);
  if (spec.name == "firstOrderFlatness")
    return std::make_unique<FirstOrderFlatness>(spec["normRho"], spec["beta1"], spec["beta2"], spec["beta3"], spec["gamma"]);
  fail_unknown_part("combine", spec.name);
}

}  // namespace steppe::sam
