// Part "when": which steps perturb.
#include <ATen/ops/rand.h>

#include <algorithm>

#include "parts.h"

namespace steppe::sam {
namespace {

// Steps 0, k, 2k, … of the method.
class Every : public When {
 public:
  explicit Every(int64_t k) : k_(k) {}
  bool before(const Step& step) override { return step.number % k_ == 0; }

 private:
  int64_t k_;
};

// With probability p: randomized sharpness-aware training (RST, arXiv 2203.09962).
class Probability : public When {
 public:
  explicit Probability(double p) : p_(p) {}
  void begin(const Step&) override {
    // The certain cases draw nothing: they are SAM, and the base optimizer, bit for bit.
    perturbs_ = p_ >= 1 || (p_ > 0 && at::rand({}, at::kDouble).item<double>() < p_);
  }
  bool before(const Step&) override { return perturbs_; }

 private:
  double p_;
  bool perturbs_ = true;
};

// AE-SAM (arXiv 2304.14647): where the gradient is large beside its running mean, more often towards the end.
//   μ ← δμ + (1−δ)‖g‖²,  σ² ← δσ² + (1−δ)(‖g‖²−μ)²,  SAM iff ‖g‖² ≥ μ + c_t σ,  c_t = τ λ₁ + (1−τ) λ₂,  τ = min(t/T, 1)
class GradientStatistics : public When {
 public:
  GradientStatistics(double delta, double lambda1, double lambda2, double total_steps)
      : delta_(delta), lambda1_(lambda1), lambda2_(lambda2), total_(total_steps) {}

  bool after(const Gradient& g, const Step& step) override {
    const double square = g.norm * g.norm;
    const double mu = delta_ * now_[0] + (1 - delta_) * square;
    const double variance = delta_ * now_[1] + (1 - delta_) * (square - mu) * (square - mu);
    next_ = {mu, variance};
    const double tau = std::min(static_cast<double>(step.number) / total_, 1.0);
    const double c = tau * lambda1_ + (1 - tau) * lambda2_;
    return square >= mu + c * std::sqrt(variance);
  }
  void commit() override { now_ = next_; }
  void discard() override { next_ = now_; }
  void remember(Memory& memory) override { memory.numbers["gradientStatistics"] = &now_; }

 private:
  double delta_, lambda1_, lambda2_, total_;
  std::vector<double> now_{0, 0}, next_{0, 0};  // μ, σ²
};

}  // namespace

std::unique_ptr<When> make_when(const PartSpec& spec) {
  if (spec.name == "always") return std::make_unique<When>();
  if (spec.name == "every") return std::make_unique<Every>(static_cast<int64_t>(spec["k"]));
  if (spec.name == "probability") return std::make_unique<Probability>(spec["p"]);
  if (spec.name == "gradientStatistics")
    return std::make_unique<GradientStatistics>(spec["delta"], spec["lambda1"], spec["lambda2"], spec["totalSteps"]);
  fail_unknown_part("when", spec.name);
}

}  // namespace steppe::sam
