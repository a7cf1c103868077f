// Part "direction": where the perturbation points. Each returns v and the length that it is divided by: ε = ρ v/length.
#include <ATen/ops/rand_like.h>

#include <cmath>
#include <utility>

#include "element_maps.h"
#include "masks.h"
#include "parts.h"

namespace steppe::sam {
namespace {

// SAM: v = g.
class Steepest : public Direction {
 public:
  Heading operator()(Tensors g, const Step&) override { return {std::move(g)}; }
};

// Momentum-SAM climbs against the momentum, which points downhill: v = −g.
class Opposite : public Direction {
 public:
  Heading operator()(Tensors g, const Step&) override { return {std::move(g), std::nullopt, -1}; }
};

STEPPE_LOOPS_BEGIN

// T²g, and (Tg)² for the sum.
struct TimesMagnitude {
  double eta;
  template <class V>
  STEPPE_INSIDE Term<V> operator()(const V& g, const V& w) const {
    const V t = magnitude(w) + number<V>(eta), tg = g * t;
    return {tg * t, tg, tg};
  }
};
STEPPE_ELEMENT_MAP(TimesMagnitude)

// F⁻¹g, and g F⁻¹g for the sum.
struct TimesInverseFisher {
  double eta;
  template <class V>
  STEPPE_INSIDE Term<V> operator()(const V& g, const V&) const {
    const V v = g / (g * g * number<V>(eta) + number<V>(1));
    return {v, g, v};
  }
};
STEPPE_ELEMENT_MAP(TimesInverseFisher)

STEPPE_LOOPS_END

// ASAM (arXiv 2102.11600): ε = ρ T²g/‖Tg‖, T = |w|+η on weights and 1 elsewhere. A parameter's own name is what follows the
// last dot.
class Adaptive : public Direction {
 public:
  explicit Adaptive(double eta) : eta_(eta) {}
  Heading operator()(Tensors g, const Step& step) override {
    Tensors others(g.size());
    for (size_t k = 0; k < g.size(); k++) {
      const auto& name = step.names[k];
      const bool is_weight = name.find("weight", name.rfind('.') + 1) != std::string::npos;
      if (!is_weight) others[k] = std::move(g[k]);
    }
    auto [v, squares] = map_elements(std::move(g), step.w, TimesMagnitude{eta_});
    const double length = std::hypot(std::sqrt(squares), norm(others));
    for (size_t k = 0; k < v.size(); k++)
      if (others[k].defined()) v[k] = std::move(others[k]);
    return {std::move(v), length};
  }

 private:
  double eta_;
};

// Fisher SAM (arXiv 2206.04920): ε = ρ F⁻¹g/√(gᵀF⁻¹g), F⁻¹ = 1/(1+ηg²).
class Fisher : public Direction {
 public:
  explicit Fisher(double eta) : eta_(eta) {}
  Heading operator()(Tensors g, const Step&) override {
    auto [v, square] = map_elements(std::move(g), TimesInverseFisher{eta_});
    return {std::move(v), std::sqrt(square)};
  }

 private:
  double eta_;
};

// What directions with a running mean share: one tensor per parameter, each starting at its first gradient.
class RunningMean : public Direction {
 public:
  explicit RunningMean(size_t parameters) : now_(parameters), next_(parameters) {}
  void commit() override { now_ = next_; }
  void discard() override { next_ = now_; }
  void remember(Memory& memory) override { memory.tensors["runningMean"] = &now_; }

 protected:
  // mean ← (1−share)·mean + share·g
  void update(const Tensors& g, double share) {
    std::vector<double> before(g.size(), 1), of_g(g.size());
    for (size_t k = 0; k < g.size(); k++) {
      if (!g[k].defined()) continue;
      const bool is_first = !now_[k].defined();
      before[k] = is_first ? 0 : 1 - share;
      of_g[k] = is_first ? 1 : share;
    }
    next_ = combination(before, now_, of_g, g);
  }
  Tensors now_, next_;
};

// VaSSO (NeurIPS 2023): e ← (1−θ)e + θg, v = e.
class Smoothed : public RunningMean {
 public:
  Smoothed(size_t parameters, double theta) : RunningMean(parameters), theta_(theta) {}
  Heading operator()(Tensors g, const Step&) override {
    update(g, theta_);
    auto v = where_defined(next_, g);
    const double length = norm(v);
    return {std::move(v), length};
  }

 private:
  double theta_;
};

// Friendly SAM (CVPR 2024): v = g − σm, then m ← λm + (1−λ)g; v = g while there is no m.
class BatchNoise : public RunningMean {
 public:
  BatchNoise(size_t parameters, double sigma, double lambda) : RunningMean(parameters), sigma_(sigma), lambda_(lambda) {}
  Heading operator()(Tensors g, const Step&) override {
    update(g, 1 - lambda_);
    const auto before = where_defined(now_, g);
    auto v = add(std::move(g), before, -sigma_);
    const double length = norm(v);
    return {std::move(v), length};
  }

 private:
  double sigma_, lambda_;
};

// ESAM (arXiv 2110.03141): each element of (ρ/β) n(g) is kept with probability β.
class RandomElements : public Direction {
 public:
  explicit RandomElements(double beta) : beta_(beta) {}
  void begin(const Step& step) override {
    keep_.assign(step.w.size(), at::Tensor());
    if (beta_ >= 1) return;
    HeldKernelThreads::let_go();
    for (size_t k = 0; k < keep_.size(); k++)
      if (step.is_perturbed(k) && step.w[k].requires_grad()) keep_[k] = at::rand_like(step.w[k]).lt(beta_);
  }
  Heading operator()(Tensors g, const Step&) override {
    const auto keep = std::exchange(keep_, {});
    return {beta_ >= 1 ? std::move(g) : masked(std::move(g), keep), std::nullopt, beta_};
  }

 private:
  double beta_;
  Tensors keep_;
};

}  // namespace

std::unique_ptr<Direction> make_direction(const PartSpec& spec, size_t parameters) {
  if (spec.name == "steepest") return std::make_unique<Steepest>();
  if (spec.name == "opposite") return std::make_unique<Opposite>();
  if (spec.name == "adaptive") return std::make_unique<Adaptive>(spec["eta"]);
  if (spec.name == "fisher") return std::make_unique<Fisher>(spec["eta"]);
  if (spec.name == "smoothed") return std::make_unique<Smoothed>(parameters, spec["theta"]);
  if (spec.name == "batchNoise") return std::make_unique<BatchNoise>(parameters, spec["sigma"], spec["lambda"]);
  if (spec.name == "randomElements") return std::make_unique<RandomElements>(spec["beta"]);
  if (spec.name == "mask") return make_mask(parameters, spec["keep"], static_cast<int64_t>(spec["refresh"]), spec["accumulate"] != 0);
  fail_unknown_part("direction", spec.name);
}

}  // namespace steppe::sam
