#include "masks.h"

#include <ATen/ops/addcmul.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/topk.h>

namespace steppe::sam {
namespace {

class Mask : public Direction {
 public:
  Mask(size_t parameters, double keep, int64_t refresh, bool accumulate)
      : keep_(keep), refresh_(refresh), accumulate_(accumulate), mask_(parameters), next_mask_(parameters), sum_(parameters), next_sum_(parameters) {}

  Heading operator()(const Tensors& g, const Step& step) override {
    discard();
    // In steps 0, r, 2r, …, or the next one that perturbs where not every step does.
    const auto period = static_cast<double>(step.number / refresh_);
    const bool due = period != period_[0];
    next_period_ = {period};
    if (accumulate_ || due) {
      for (size_t k = 0; k < g.size(); k++) {
        if (!g[k].defined()) continue;
        // Squares, and a sum of many, want more than half precision.
        const auto x = g[k].to(c10::promoteTypes(g[k].scalar_type(), at::kFloat));
        next_sum_[k] = accumulate_ && sum_[k].defined() ? at::addcmul(sum_[k], x, x) : at::mul(x, x);
      }
    }
    if (due) refresh(g);
    if (!accumulate_) next_sum_ = sum_;  // empty: nothing is kept between steps
    Tensors v = g;
    for (size_t k = 0; k < v.size(); k++) {
      if (!v[k].defined()) continue;
      // A parameter that had no gradient at the refresh is not in the mask.
      v[k] = next_mask_[k].defined() ? at::mul(v[k], next_mask_[k]) : at::Tensor();
    }
    return {v, norm(g)};  // n(g) is of the whole g
  }

  void commit() override {
    mask_ = next_mask_;
    sum_ = next_sum_;
    period_ = next_period_;
  }
  void discard() override {
    next_mask_ = mask_;
    next_sum_ = sum_;
    next_period_ = period_;
  }
  void remember(Memory& memory) override {
    memory.numbers["maskPeriod"] = &period_;
    memory.tensors["mask"] = &mask_;
    if (accumulate_) memory.tensors["squares"] = &sum_;
  }

 private:
  // Keeps ⌈keep·N⌉ elements of all tensors together; of equal scores those with the lower flat index.
  void refresh(const Tensors& g) {
    Tensors flat;
    for (size_t k = 0; k < g.size(); k++) {
      next_mask_[k] = at::Tensor();
      if (g[k].defined()) flat.push_back(next_sum_[k].reshape({-1}));
    }
    if (flat.empty()) return;
    const auto scores = at::cat(flat);
    const auto kept = share_of(keep_, scores.numel());
    const auto least = std::get<0>(at::topk(scores, kept)).min();
    auto mask = scores.gt(least);
    const auto equal = scores.eq(least);
    const auto room = mask.sum().neg().add(kept);  // a tensor: a number would have to come from the device
    mask.logical_or_(equal.logical_and(at::cumsum(equal, 0).le(room)));
    int64_t begin = 0;
    for (size_t k = 0; k < g.size(); k++) {
      if (!g[k].defined()) continue;
      next_mask_[k] = mask.narrow(0, begin, g[k].numel()).reshape(g[k].sizes());
      begin += g[k].numel();
    }
  }

  double keep_;
  int64_t refresh_;
  bool accumulate_;
  Tensors mask_, next_mask_, sum_, next_sum_;
  std::vector<double> period_{-1}, next_period_{-1};  // the number of the period of r steps that the mask is of
};

}  // namespace

std::unique_ptr<Direction> make_mask(size_t parameters, double keep, int64_t refresh, bool accumulate) {
  return std::make_unique<Mask>(parameters, keep, refresh, accumulate);
}

}  // namespace steppe::sam
