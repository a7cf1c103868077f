#include "masks.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/topk.h>

#include <utility>

#include "element_maps.h"

namespace steppe::sam {
namespace {

STEPPE_LOOPS_BEGIN

struct Square {
  template <class V>
  STEPPE_INSIDE V operator()(const V& g, const V&) const {
    return g * g;
  }
};
STEPPE_ELEMENT_MAP(Square)

// The sum of squares with one more.
struct WithSquare {
  template <class V>
  STEPPE_INSIDE V operator()(const V& g, const V& sum) const {
    return g * g + sum;
  }
};
STEPPE_ELEMENT_MAP(WithSquare)

template <class T>
STEPPE_INSIDE void keep(const T* x, const bool* mask, T* kept, int64_t size) {
#pragma GCC ivdep
  for (int64_t i = 0; i < size; i++) kept[i] = mask[i] ? x[i] : 0;
}
STEPPE_FOR_ALL_PROCESSORS void keep_of(const float* x, const bool* mask, float* kept, int64_t size) { keep(x, mask, kept, size); }
STEPPE_FOR_ALL_PROCESSORS void keep_of(const double* x, const bool* mask, double* kept, int64_t size) { keep(x, mask, kept, size); }

STEPPE_LOOPS_END

}  // namespace

Tensors masked(Tensors x, const Tensors& mask) {
  struct Slice {
    const at::Tensor* x;
    const bool* mask;
    void* kept;
    int64_t size;
  };
  const StepMemory memory;
  Tensors kept(x.size());
  std::vector<Slice> slices;
  for (size_t k = 0; k < x.size(); k++) {
    if (!x[k].defined() || !mask[k].defined()) continue;
    if (elements::fits(x[k]) && x[k].is_contiguous() && mask[k].is_cpu() && mask[k].is_contiguous() && mask[k].scalar_type() == at::kBool) {
      kept[k] = in_place_of(x[k]);
      slices.push_back({&x[k], mask[k].const_data_ptr<bool>(), kept[k].mutable_data_ptr(), x[k].numel()});
    } else {
      HeldKernelThreads::let_go();
      kept[k] = at::mul(x[k], mask[k]);
    }
  }
  const auto keep_part = [&]<class T>(const Slice& slice, int64_t begin, int64_t end) {
    keep_of(slice.x->const_data_ptr<T>() + begin, slice.mask + begin, static_cast<T*>(slice.kept) + begin, end - begin);
  };
  elements::over(slices, [&](const Slice& slice, int64_t begin, int64_t end) {
    slice.x->scalar_type() == at::kFloat ? keep_part.template operator()<float>(slice, begin, end) : keep_part.template operator()<double>(slice, begin, end);
  });
  return kept;
}

namespace {

class Mask : public Direction {
 public:
  Mask(size_t parameters, double keep, int64_t refresh, bool accumulate)
      : keep_(keep), refresh_(refresh), accumulate_(accumulate), mask_(parameters), next_mask_(parameters), sum_(parameters), next_sum_(parameters) {}

  Heading operator()(Tensors g, const Step& step) override {
    discard();
    // In steps 0, r, 2r, …, or the next one that perturbs where not every step does.
    const auto period = static_cast<double>(step.number / refresh_);
    const bool due = period != period_[0];
    next_period_ = {period};
    if (accumulate_ || due) {
      // Squares, and a sum of many, want more than half precision.
      Tensors first(g.size()), later(g.size());
      for (size_t k = 0; k < g.size(); k++) {
        if (!g[k].defined()) continue;
        if (is_narrow(g[k])) HeldKernelThreads::let_go();
        (accumulate_ && sum_[k].defined() ? later : first)[k] = widened(g[k]);
      }
      first = map_elements(std::move(first), Square{}).result;
      later = map_elements(std::move(later), sum_, WithSquare{}).result;
      for (size_t k = 0; k < g.size(); k++)
        if (g[k].defined()) next_sum_[k] = std::move(first[k].defined() ? first[k] : later[k]);
    }
    if (due) refresh(g);
    if (!accumulate_) next_sum_ = sum_;  // empty: nothing is kept between steps
    // A parameter that had no gradient at the refresh is not in the mask.
    return {masked(std::move(g), next_mask_)};  // n(g) is of the whole g
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
    HeldKernelThreads::let_go();
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
