// GA-SAM. The published page gives the idea (perturbation strengths that follow the strength of the gradient, per
// parameter and over training, over several ascent steps; arXiv 2210.06895) and this is a reading of it:
//   s_k = ‖g_k‖/√n_k,  m_k ← β m_k + (1−β) s_k,  m̂_k = m_k/(1−βᵗ)          strength of tensor k, running
//   M = √(Σ n_k m̂_k² / N),  M_ref = max over time of M                       strength of the whole
//   r_k = ρ √n_k m̂_k^α / √(Σ_j n_j m̂_j^2α) · (M/M_ref)^γ                     radius of tensor k
//   δ⁰ = 0,  δ_kⁱ = P_k(δ_kⁱ⁻¹ + η_k n_k(∇_k L(w+δⁱ⁻¹))),  η_k = r_k min(1, 2.5/K),  ε = δᴷ
#include <algorithm>
#include <cmath>

#include "ascent.h"

namespace steppe::sam {
namespace {

class GradientStrength : public Ascent {
 public:
  GradientStrength(size_t parameters, double alpha, double beta, double gamma, int steps)
      : alpha_(alpha), beta_(beta), gamma_(gamma), steps_(steps), now_{std::vector<double>(parameters), std::vector<double>(parameters), {0}} {
    next_ = now_;
  }

  Perturbation operator()(Gradient first, const Step& step, const Piece& piece) override {
    const auto lengths = sam::norms(first.g);
    const auto radii = radii_for(first.g, lengths, step);
    const double share = std::min(1.0, 2.5 / steps_);  // η_k/r_k
    // δ in units of the radii, from where the balls end at 1.
    Perturbation delta{moving(std::move(first.g), radii), toward(lengths, share)};
    for (int i = 1; i < steps_; i++) {
      const auto g = moving(step.at(times(delta, radii), {.samples = piece.climb}, "an ascent step's").g, radii);
      delta.direction = combination(delta.scale, std::move(delta.direction), toward(sam::norms(g), share), g);
      const auto reached = sam::norms(delta.direction);
      for (size_t k = 0; k < reached.size(); k++) delta.scale[k] = reached[k] > 1 ? 1 / reached[k] : 1;
    }
    return times(std::move(delta), radii);
  }

  void commit() override { now_ = next_; }
  void discard() override { next_ = now_; }
  void remember(Memory& memory) override {
    memory.numbers["strength"] = &now_.strength;
    memory.numbers["updates"] = &now_.updates;
    memory.numbers["reference"] = &now_.reference;
  }

 private:
  struct Strengths {
    std::vector<double> strength, updates;  // m_k, and t of its bias correction
    std::vector<double> reference;          // M_ref
  };

  static Tensors moving(Tensors g, const std::vector<double>& radii) {
    for (size_t k = 0; k < g.size(); k++)
      if (radii[k] == 0) g[k] = at::Tensor();
    return g;
  }
  static std::vector<double> toward(std::vector<double> lengths, double share) {
    for (auto& length : lengths) length = share * inverse(length);
    return lengths;
  }
  static Perturbation times(Perturbation delta, const std::vector<double>& radii) {
    for (size_t k = 0; k < radii.size(); k++) delta.scale[k] *= radii[k];
    return delta;
  }

  std::vector<double> radii_for(const Tensors& g, const std::vector<double>& lengths, const Step& step) {
    next_ = now_;
    std::vector<double> strength(g.size(), -1), radii(g.size(), 0);
    double square_sum = 0, weighted_sum = 0, elements = 0;
    for (size_t k = 0; k < g.size(); k++) {
      if (!g[k].defined() || !step.is_perturbed(k)) continue;
      const auto n = static_cast<double>(g[k].numel());
      auto& m = next_.strength[k];
      m = beta_ * m + (1 - beta_) * lengths[k] / std::sqrt(std::max(n, 1.0));
      strength[k] = m / (1 - std::pow(beta_, ++next_.updates[k]));
      square_sum += n * strength[k] * strength[k];
      weighted_sum += n * std::pow(strength[k], 2 * alpha_);
      elements += n;
    }
    if (elements == 0) return radii;
    const double whole = std::sqrt(square_sum / elements);
    next_.reference[0] = std::max(next_.reference[0], whole);
    if (whole == 0) return radii;
    const double course = std::pow(whole / next_.reference[0], gamma_);
    for (size_t k = 0; k < g.size(); k++) {
      if (strength[k] < 0) continue;
      const auto n = static_cast<double>(g[k].numel());
      radii[k] = step.rho(k) * std::sqrt(n) * std::pow(strength[k], alpha_) / std::sqrt(weighted_sum) * course;
    }
    return radii;
  }

  double alpha_, beta_, gamma_;
  int steps_;
  Strengths now_, next_;
};

}  // namespace

std::unique_ptr<Ascent> gradient_strength(size_t parameters, double alpha, double beta, double gamma, int steps) {
  return std::make_unique<GradientStrength>(parameters, alpha, beta, gamma, steps);
}

}  // namespace steppe::sam
