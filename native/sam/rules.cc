// Methods that are a whole step of their own.
#include <ATen/ops/full_like.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/zeros_like.h>

#include <utility>

#include "../kernel_threads.h"
#include "element_maps.h"
#include "parts.h"

namespace steppe::sam {
namespace {

// SAMPa (arXiv 2410.10683), over plain SGD:
//   x̃ = x + ρ n(∇f(y)),  y⁺ = x − lr ∇f(y),  d = (1−λ)∇f(x̃) + λ∇f(y⁺)
// ∇f(y) and the batch it is over are the last step's; ∇f(x̃) is over that batch, ∇f(y⁺) over the present one. The first step
// is plain.
class Parallel : public Rule {
 public:
  Parallel(size_t parameters, double lambda) : lambda_(lambda), gradient_(parameters), next_(parameters) {}

  Tensors operator()(const Step& step, Report& report) override {
    next_passes_ = step.passes.keep({});
    if (passes_ == nullptr && !batch_.empty()) passes_ = step.passes.keep(batch_);  // after loading
    const bool first = passes_ == nullptr;
    // The formula's order; with sameNoise both passes see the same random numbers, though their batches are two.
    NoiseState start(step.w);
    if (step.passes.same_noise()) start.save();
    Tensors past;
    if (!first) {
      auto up = step.perturbed_part(gradient_);
      const double length = inverse(norm(up));
      Perturbation epsilon{std::move(up), {}};
      for (size_t k = 0; k < gradient_.size(); k++) epsilon.scale.push_back(step.rho(k) * length);
      passes_->begin_piece();
      auto gradient = step.at(*passes_, step.point.move(step.w, epsilon), {}, "the first pass's");
      report.perturbed_loss = gradient.loss;
      past = std::move(gradient.g);
      start.restore();
    }
    Perturbation ahead;
    if (!first) {
      ahead.direction = gradient_;
      for (size_t k = 0; k < gradient_.size(); k++) ahead.scale.push_back(-step.group(k)["lr"]);
    }
    auto present = step.at(ahead, {.moves_buffers = true}, first ? "the" : "the second pass's");
    report.loss = present.loss;
    report.grad_norm = present.norm;
    report.has_gradient = true;
    next_ = present.g;
    return first ? present.g : combination(1 - lambda_, std::move(past), lambda_, present.g);
  }
  void commit() override {
    if (next_passes_ == nullptr) return;
    gradient_ = next_;
    passes_ = std::move(next_passes_);
    batch_.clear();
  }
  void discard() override {
    next_ = gradient_;
    next_passes_ = nullptr;
  }
  void remember(Memory& memory) override {
    if (passes_ != nullptr) batch_ = passes_->inputs();
    memory.tensors["gradient"] = &gradient_;
    memory.batch = &batch_;
  }
  void recalled() override {
    discard();
    passes_ = nullptr;
  }

 private:
  double lambda_;
  Tensors gradient_, next_;                        // ∇f(y)
  std::shared_ptr<Passes> passes_, next_passes_;   // over its batch
  Tensors batch_;
};

STEPPE_LOOPS_BEGIN

// z/√(N s)
struct OverDeviation {
  double data_size;
  template <class V>
  STEPPE_INSIDE V operator()(const V& z, const V& s) const {
    return z / root<V>(s * number<V>(data_size));
  }
};
STEPPE_ELEMENT_MAP(OverDeviation)

struct Quotient {
  template <class V>
  STEPPE_INSIDE V operator()(const V& x, const V& s) const {
    return x / s;
  }
};
STEPPE_ELEMENT_MAP(Quotient)

// β₂s + (1−β₂)(√s|g_s| + ζ + λ)
struct NextPrecision {
  double beta2, floor;  // floor: ζ + λ
  template <class V>
  STEPPE_INSIDE V operator()(const V& s, const V& g) const {
    return s * number<V>(beta2) + (root<V>(s) * magnitude<V>(g) + number<V>(floor)) * number<V>(1 - beta2);
  }
};
STEPPE_ELEMENT_MAP(NextPrecision)

STEPPE_LOOPS_END

// bSAM (arXiv 2210.01620), a step of variational learning with a diagonal Gaussian around w of precision N·s:
//   θ = w + z/√(N s),  g_s = ∇L(θ),  g_e = ∇L(w + ρ g_s/s)
//   m ← β₁m + (1−β₁)(g_e + λw),  w ← w − lr·m/s with the old s,  s ← β₂s + (1−β₂)(√s|g_s| + ζ + λ)
// λ is the base's weight decay; s starts at s₀.
class Bayesian : public Rule {
 public:
  Bayesian(size_t parameters, const PartSpec& o)
      : data_size_(o["dataSize"]), beta1_(o["beta1"]), beta2_(o["beta2"]), zeta_(o["zeta"]), initial_(o["initialPrecision"]),
        now_{Tensors(parameters), Tensors(parameters)} {
    discard();
  }

  void begin(const Step& step) override {
    HeldKernelThreads::let_go();
    z_.assign(step.w.size(), at::Tensor());
    for (size_t k = 0; k < z_.size(); k++) {
      if (!step.w[k].requires_grad()) continue;
      if (!old_.s[k].defined()) {
        old_.s[k] = at::full_like(step.w[k], initial_);
        old_.m[k] = at::zeros_like(step.w[k]);
      }
      if (step.is_perturbed(k)) z_[k] = at::randn_like(step.w[k]);
    }
    z_ = map_elements(std::move(z_), old_.s, OverDeviation{data_size_}).result;
    next_ = old_;
  }
  Tensors operator()(const Step& step, Report& report) override {
    const auto count = step.w.size();
    const std::vector<double> ones(count, 1);
    const auto sampled = step.at({std::exchange(z_, {}), ones}, {.moves_buffers = true}, "the first pass's");
    report.loss = sampled.loss;
    report.grad_norm = sampled.norm;
    Perturbation epsilon{map_elements(step.perturbed_part(sampled.g), old_.s, Quotient{}).result, {}};
    for (size_t k = 0; k < count; k++) epsilon.scale.push_back(step.rho(k));
    const auto ascended = step.at(std::move(epsilon), {}, "the second pass's");
    report.perturbed_loss = ascended.loss;
    std::vector<double> of_w(count);
    Tensors decaying(count), gradient = sampled.g;
    for (size_t k = 0; k < count; k++) {
      of_w[k] = (1 - beta1_) * step.group(k)["weightDecay"];
      if (ascended.g[k].defined() && of_w[k] != 0) decaying[k] = step.w[k];
      if (ascended.g[k].defined() && !gradient[k].defined()) {
        HeldKernelThreads::let_go();
        gradient[k] = at::zeros_like(step.w[k]);
      }
    }
    const auto m = where_defined(old_.m, ascended.g), s = where_defined(old_.s, ascended.g);
    put(next_.m, combination(ones, combination(beta1_, m, 1 - beta1_, ascended.g), of_w, decaying));
    put(next_.s, map_elements_by(s, &gradient, [&](size_t k) { return NextPrecision{beta2_, zeta_ + step.group(k)["weightDecay"]}; }).result);
    updated_ = ascended.g;
    return Tensors(step.w.size());
  }
  void finish(const Step& step) override {
    if (updated_.empty()) return;
    std::vector<double> factors(updated_.size());
    for (size_t k = 0; k < factors.size(); k++) factors[k] = -step.group(k)["lr"];
    add_to(step.w, factors, map_elements(where_defined(next_.m, updated_), old_.s, Quotient{}).result);
    updated_.clear();
  }
  void commit() override {
    now_ = next_;
    discard();
  }
  void discard() override { next_ = old_ = now_; }
  void remember(Memory& memory) override {
    memory.tensors["mean"] = &now_.m;
    memory.tensors["precision"] = &now_.s;
  }

 private:
  struct Posterior {
    Tensors m, s;
  };
  static void put(Tensors& to, Tensors from) {
    for (size_t k = 0; k < to.size(); k++)
      if (from[k].defined()) to[k] = std::move(from[k]);
  }
  double data_size_, beta1_, beta2_, zeta_, initial_;
  Posterior now_, old_, next_;  // as committed; at the step's start, where the first one begins; at its end
  Tensors z_, updated_;
};

}  // namespace

std::unique_ptr<Rule> make_rule(const PartSpec& spec, size_t parameters) {
  if (spec.name == "parallel") return std::make_unique<Parallel>(parameters, spec["lambda"]);
  if (spec.name == "bayesian") return std::make_unique<Bayesian>(parameters, spec);
  fail_unknown_part("rule", spec.name);
}

}  // namespace steppe::sam
