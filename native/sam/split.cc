// Parts "split" and "descend": which samples climb together, and which descend.
#include <ATen/ops/sort.h>
#include <ATen/ops/sub.h>

#include <algorithm>

#include "../errors.h"
#include "../kernel_threads.h"
#include "parts.h"

namespace steppe::sam {
namespace {

// The indices of the n largest values, ascending; of equal values the first ones.
at::Tensor indices_of_largest(const at::Tensor& values, int64_t n) {
  HeldKernelThreads::let_go();
  const auto order = std::get<1>(at::sort(values, /*stable=*/true, /*dim=*/0, /*descending=*/true));
  return std::get<0>(at::sort(order.narrow(0, 0, n)));
}

class Whole : public Split {
 public:
  std::vector<Piece> operator()(const Step&, Report&) override { return {{}}; }
  std::vector<int64_t> counts(int64_t n) const override { return {n}; }
};

// The first ⌈a·|B|⌉ samples climb, all descend.
class LeadingPart : public Split {
 public:
  explicit LeadingPart(double a) : a_(a) {}
  std::vector<Piece> operator()(const Step& step, Report&) override {
    const auto n = step.passes.batch_size();
    if (n < 0) return {{}};
    return {{.climb = {0, share_of(a_, n)}, .descend = {0, n}}};
  }
  std::vector<int64_t> counts(int64_t n) const override { return {share_of(a_, n), n}; }

 private:
  double a_;
};

// mSAM (arXiv 2302.09693): m contiguous shards, each climbing and descending on its own; sizes differ by at most one, the
// larger ones first.
class Shards : public Split {
 public:
  explicit Shards(int64_t m) : m_(m) {}
  std::vector<Piece> operator()(const Step& step, Report&) override {
    const auto n = step.passes.batch_size();
    if (n < 0 || m_ == 1) return {{}};
    std::vector<Piece> pieces;
    const auto count = std::max<int64_t>(1, std::min(m_, n));
    for (int64_t j = 0, begin = 0; j < count; j++) {
      const Samples samples{begin, n / count + (j < n % count ? 1 : 0)};
      pieces.push_back({samples, samples, static_cast<double>(samples.count) / static_cast<double>(std::max<int64_t>(n, 1))});
      begin += samples.count;
    }
    return pieces;
  }
  std::vector<int64_t> counts(int64_t n) const override {
    const auto count = std::max<int64_t>(1, std::min(m_, n));
    if (n % count == 0) return {n / count};
    return {n / count + 1, n / count};
  }

 private:
  int64_t m_;
};

// K-SAM (arXiv 2210.12864): one forward over all, then both gradients over the k largest losses. k 0 stands for ⌈|B|/2⌉.
class LargestLosses : public Split {
 public:
  explicit LargestLosses(int64_t k) : k_(k) {}
  std::vector<Piece> operator()(const Step& step, Report& report) override {
    const auto losses = step.passes.sample_losses(step.w, {.moves_buffers = true});
    step.require_finite_losses(losses, "the choosing forward's");
    report.loss = losses.mean().item<double>();
    const auto n = losses.numel(), k = chosen(n);
    Piece piece{.moves_buffers = false, .reports_loss = false};
    if (k < n) piece.climb.chosen = piece.descend.chosen = indices_of_largest(losses, k);
    return {piece};
  }
  std::vector<int64_t> counts(int64_t n) const override { return {n, chosen(n)}; }

 private:
  int64_t chosen(int64_t n) const { return k_ == 0 ? (n + 1) / 2 : std::min(k_, n); }
  int64_t k_;
};

// ESAM (arXiv 2110.03141): the ⌈γ|B|⌉ samples whose loss rose most.
class LargestRises : public Descend {
 public:
  explicit LargestRises(double gamma) : gamma_(gamma) {}
  Samples operator()(const Gradient& g, const Perturbation& epsilon, const Step& step, const Piece& piece) override {
    const auto n = g.sample_losses.numel(), k = share_of(gamma_, n);
    if (k == n) return piece.descend;
    const auto after = step.passes.sample_losses(step.point.move(step.w, epsilon), {});
    step.require_finite_losses(after, "the choosing forward's");
    return {.chosen = indices_of_largest(at::sub(after, g.sample_losses), k)};
  }
  std::vector<int64_t> counts(int64_t n) const override { return {share_of(gamma_, n)}; }

 private:
  double gamma_;
};

}  // namespace

std::unique_ptr<Split> make_split(const PartSpec& spec) {
  if (spec.name == "whole") return std::make_unique<Whole>();
  if (spec.name == "leadingPart") return std::make_unique<LeadingPart>(spec["share"]);
  if (spec.name == "shards") return std::make_unique<Shards>(static_cast<int64_t>(spec["m"]));
  if (spec.name == "largestLosses") return std::make_unique<LargestLosses>(static_cast<int64_t>(spec["k"]));
  fail_unknown_part("split", spec.name);
}

std::unique_ptr<Descend> make_descend(const PartSpec& spec) {
  if (spec.name == "piece") return std::make_unique<Descend>();
  if (spec.name == "largestRises") return std::make_unique<LargestRises>(spec["share"]);
  fail_unknown_part("descend", spec.name);
}

}  // namespace steppe::sam
