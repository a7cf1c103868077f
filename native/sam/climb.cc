// Part "climb": which gradient climbs.
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/randn_like.h>

#include <cmath>

#include "../elements.h"
#include "../errors.h"
#include "../kernel_threads.h"
#include "../kernels/loops/processors.h"
#include "parts.h"

namespace steppe::sam {
namespace {

Query query_of(const Piece& piece, Objective objective = Objective::loss) { return {piece.climb, piece.moves_buffers, objective}; }

// ∇L(w) over the piece's samples.
class GradientAtW : public Climb {
 public:
  std::optional<Objective> at_w() const override { return Objective::loss; }
  Gradient operator()(const Step& step, const Piece& piece) override { return step.at_w(query_of(piece), "the first pass's"); }
};

// BiSAM (ICML 2024): the gradient of another objective, a smooth lower bound of the misclassification.
class OtherObjective : public Climb {
 public:
  std::optional<Objective> at_w() const override { return Objective::climbed; }
  Gradient operator()(const Step& step, const Piece& piece) override {
    return step.at_w(query_of(piece, Objective::climbed), "the first pass's");
  }
};

// Momentum-SAM (arXiv 2401.12033): the base optimizer's momentum, as the last step left it.
class BaseMomentum : public Climb {
 public:
  bool takes_pass() const override { return false; }
  Gradient operator()(const Step& step, const Piece&) override {
    const auto* momentum = step.base.momentum();
    Gradient result;
    if (momentum != nullptr && any_defined(*momentum)) result.g = *momentum;
    return result;
  }
};

// Async SAM (arXiv 2503.11147): the last step's direction.
class LastDirection : public Climb {
 public:
  explicit LastDirection(size_t parameters) : now_(parameters), next_(parameters) {}
  bool takes_pass() const override { return false; }
  Gradient operator()(const Step&, const Piece&) override {
    Gradient result;
    if (any_defined(now_)) result.g = now_;
    return result;
  }
  void observe(const Tensors& d) override { next_ = d; }
  void commit() override { now_ = next_; }
  void discard() override { next_ = now_; }
  void remember(Memory& memory) override { memory.tensors["lastDirection"] = &now_; }

 private:
  Tensors now_, next_;
};

STEPPE_LOOPS_BEGIN

// z ← σ‖w_f‖ z for the `count` filters f that lie behind each other.
template <class T>
STEPPE_INSIDE void scale_filters(T* z, const T* w, int64_t count, int64_t size, double sigma) {
  constexpr int64_t kSums = 16;  // side by side, since each addition to one waits for the last
  for (int64_t f = 0; f < count; f++, z += size, w += size) {
    double sums[kSums] = {};
    int64_t i = 0;
    for (; i + kSums <= size; i += kSums)
      for (int64_t k = 0; k < kSums; k++) sums[k] += static_cast<double>(w[i + k]) * static_cast<double>(w[i + k]);
    for (; i < size; i++) sums[i % kSums] += static_cast<double>(w[i]) * static_cast<double>(w[i]);
    double sum = 0;
    for (const auto each : sums) sum += each;
    const auto scale = static_cast<T>(sigma * std::sqrt(sum));
#pragma GCC ivdep
    for (int64_t j = 0; j < size; j++) z[j] *= scale;
  }
}
STEPPE_FOR_ALL_PROCESSORS void scale_filters_of(float* z, const float* w, int64_t count, int64_t size, double sigma) { scale_filters(z, w, count, size, sigma); }
STEPPE_FOR_ALL_PROCESSORS void scale_filters_of(double* z, const double* w, int64_t count, int64_t size, double sigma) { scale_filters(z, w, count, size, sigma); }

STEPPE_LOOPS_END

// N(0, σ²‖w_f‖²) per output filter f: a row of a matrix or a convolution's output channel; a vector is one filter.
at::Tensor filter_noise(const at::Tensor& w, double sigma) {
  auto z = at::randn_like(w);
  const int64_t filters = w.dim() > 1 ? w.size(0) : 1;
  if (elements::fits(w) && w.is_contiguous() && elements::lies_like(z, w) && w.numel() > 0) {
    const auto scale = [&]<class T>() { scale_filters_of(z.mutable_data_ptr<T>(), w.const_data_ptr<T>(), filters, w.numel() / filters, sigma); };
    w.scalar_type() == at::kFloat ? scale.template operator()<float>() : scale.template operator()<double>();
    return z;
  }
  std::vector<int64_t> within;
  for (int64_t dim = w.dim() > 1 ? 1 : 0; dim < w.dim(); dim++) within.push_back(dim);
  return z.mul_(at::linalg_vector_norm(w, 2, within, /*keepdim=*/true)).mul_(sigma);
}

// Random SAM (NeurIPS 2022): λ∇L(w+z) + z with such noise z.
class NoisyPoint : public Climb {
 public:
  NoisyPoint(double sigma, double lambda) : sigma_(sigma), lambda_(lambda) {}
  void begin(const Step& step) override {
    z_.assign(step.w.size(), at::Tensor());
    if (sigma_ == 0) return;  // draws nothing: it is SAM, with the same dropout masks
    HeldKernelThreads::let_go();
    for (size_t k = 0; k < z_.size(); k++) {
      if (!step.is_perturbed(k) || !step.w[k].requires_grad()) continue;
      z_[k] = filter_noise(step.w[k], sigma_);
    }
  }
  Gradient operator()(const Step& step, const Piece& piece) override {
    auto gradient = step.at({z_, std::vector<double>(z_.size(), 1)}, query_of(piece), "the first pass's");
    for (size_t k = 0; k < z_.size(); k++)
      if (!gradient.g[k].defined()) z_[k] = at::Tensor();
    gradient.g = add(std::exchange(z_, {}), gradient.g, lambda_);
    gradient.is_measured = false;
    return gradient;
  }

 private:
  double sigma_, lambda_;
  Tensors z_;
};

}  // namespace

std::unique_ptr<Climb> make_climb(const PartSpec& spec, size_t parameters) {
  if (spec.name == "gradient") return std::make_unique<GradientAtW>();
  if (spec.name == "otherObjective") return std::make_unique<OtherObjective>();
  if (spec.name == "momentum") return std::make_unique<BaseMomentum>();
  if (spec.name == "lastDirection") return std::make_unique<LastDirection>(parameters);
  if (spec.name == "noisyPoint") return std::make_unique<NoisyPoint>(spec["sigma"], spec["lambda"]);
  fail_unknown_part("climb", spec.name);
}

}  // namespace steppe::sam
