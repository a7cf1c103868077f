#include "sgd_loops.h"

#include <vector>

#include "../elements.h"
#include "../kernels/loops/processors.h"

namespace steppe::optim {
namespace {

STEPPE_LOOPS_BEGIN

template <class T>
struct SgdFactors {
  T sign, weight_decay, momentum, undamped, lr;
  bool nesterov, first;
};

template <class T>
struct SgdSlice {
  T* w;
  const T* d;
  T* b;
  int64_t size;
};

enum class SgdBuffer { none, first, later };

// Of two products that are added GCC leaves the first one unrounded, where the processor can: the same one as in LibTorch's kernel.
template <bool kDecays, SgdBuffer kBuffer, bool kNesterov, class T>
STEPPE_INSIDE void sgd_loop(const SgdSlice<T>& slice, const SgdFactors<T>& by) {
  const auto [w, d, b, size] = slice;
  const auto [sign, weight_decay, momentum, undamped, lr, nesterov, first] = by;
#pragma GCC ivdep
  for (int64_t i = 0; i < size; i++) {
    T g;
    if constexpr (kDecays) {
      g = weight_decay * w[i] + sign * d[i];
    } else {
      g = sign * d[i];
    }
    if constexpr (kBuffer != SgdBuffer::none) {
      T now = g;
      if constexpr (kBuffer == SgdBuffer::later) now = undamped * g + momentum * b[i];
      b[i] = now;
      g = kNesterov ? g + momentum * now : now;
    }
    w[i] = w[i] - lr * g;
  }
}

template <bool kDecays, class T>
STEPPE_INSIDE void sgd_loop_of(const SgdSlice<T>& slice, const SgdFactors<T>& by) {
  if (slice.b == nullptr) return sgd_loop<kDecays, SgdBuffer::none, false>(slice, by);
  if (by.first) return by.nesterov ? sgd_loop<kDecays, SgdBuffer::first, true>(slice, by) : sgd_loop<kDecays, SgdBuffer::first, false>(slice, by);
  return by.nesterov ? sgd_loop<kDecays, SgdBuffer::later, true>(slice, by) : sgd_loop<kDecays, SgdBuffer::later, false>(slice, by);
}

template <class T>
STEPPE_INSIDE void sgd_part(const SgdSlice<T>& slice, const SgdFactors<T>& by) {
  by.weight_decay == 0 ? sgd_loop_of<false>(slice, by) : sgd_loop_of<true>(slice, by);
}

STEPPE_FOR_ALL_PROCESSORS void sgd_part_of(const SgdSlice<float>& slice, const SgdFactors<float>& by) { sgd_part(slice, by); }
STEPPE_FOR_ALL_PROCESSORS void sgd_part_of(const SgdSlice<double>& slice, const SgdFactors<double>& by) { sgd_part(slice, by); }

STEPPE_LOOPS_END

template <class T>
void sgd_loops_of(const Tensors& w, const Tensors& d, const Tensors& b, const SgdNumbers& h, bool first) {
  const SgdFactors<T> by{static_cast<T>(h.maximize ? -1 : 1), static_cast<T>(h.weight_decay), static_cast<T>(h.momentum),
                         static_cast<T>(1 - h.dampening), static_cast<T>(h.lr), h.nesterov, first};
  std::vector<SgdSlice<T>> slices;
  slices.reserve(w.size());
  for (size_t k = 0; k < w.size(); k++) {
    slices.push_back({w[k].mutable_data_ptr<T>(), d[k].const_data_ptr<T>(), b.empty() ? nullptr : b[k].mutable_data_ptr<T>(), w[k].numel()});
    w[k].unsafeGetTensorImpl()->bump_version();
    if (!b.empty()) b[k].unsafeGetTensorImpl()->bump_version();
  }
  elements::over(slices, [&](const SgdSlice<T>& all, int64_t begin, int64_t end) {
    sgd_part_of({all.w + begin, all.d + begin, all.b == nullptr ? nullptr : all.b + begin, end - begin}, by);
  });
}

}  // namespace

bool fit_sgd_loops(const Tensors& w, const Tensors& d) {
  for (size_t k = 0; k < w.size(); k++)
    if (!elements::fits(w[k]) || !elements::lies_like(d[k], w[k])) return false;
  return elements::lie_apart(w);
}

void sgd_loops(const Tensors& w, const Tensors& d, const Tensors& b, const SgdNumbers& numbers, bool first) {
  w[0].scalar_type() == at::kFloat ? sgd_loops_of<float>(w, d, b, numbers, first) : sgd_loops_of<double>(w, d, b, numbers, first);
}

}  // namespace steppe::optim
