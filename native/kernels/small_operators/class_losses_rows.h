#pragma once
#include <ATen/core/Reduction.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <utility>

#include "../../step_tensors.h"
#include "../loops/parallel.h"

// Rows of scores, one score for each class, and what a classifier's loss makes of them.
namespace steppe::class_losses {

struct Rows {
  int64_t count, classes;
  explicit Rows(const at::Tensor& x) : count(x.numel() / std::max<int64_t>(x.size(-1), 1)), classes(x.size(-1)) {}
};

// Calls body(rows, their first element's place) for parts of them.
template <class Body>
void over(const Rows& rows, const Body& body) {
  constexpr int64_t kGrain = 1 << 13;  // elements
  parallel_for(0, rows.count, kGrain / rows.classes + 1, [&](int64_t begin, int64_t end) { body(end - begin, begin * rows.classes); });
}

// Of each row the index of its class; a row whose index is `ignored` does not count.
struct Targets {
  Rows rows;
  const int64_t* of_rows;
  int64_t ignored;
  bool are_in_range() const {
    return std::all_of(of_rows, of_rows + rows.count, [&](int64_t target) { return target == ignored || (target >= 0 && target < rows.classes); });
  }
  // The loss, and how many targets count. log_share(i): of the i-th row's class, log-softmax.
  template <class LogShare>
  std::pair<at::Tensor, at::Tensor> loss(int64_t reduction, const LogShare& log_share) const {
    double sum = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < rows.count; i++) {
      if (of_rows[i] == ignored) continue;
      sum -= log_share(i);
      count++;
    }
    if (reduction == at::Reduction::Mean) sum /= static_cast<double>(count);
    auto loss = new_tensor({}), counted = new_tensor({});
    *loss.mutable_data_ptr<float>() = static_cast<float>(sum);
    *counted.mutable_data_ptr<float>() = static_cast<float>(count);
    return {loss, counted};
  }
};

// Of a row's log-softmax at its class.
inline float gradient_of_each(const at::Tensor& d_loss, int64_t reduction, const at::Tensor& counted) {
  const float gradient = *d_loss.const_data_ptr<float>();
  return reduction == at::Reduction::Mean ? -gradient / *counted.const_data_ptr<float>() : -gradient;
}

}  // namespace steppe::class_losses
