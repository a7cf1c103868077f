#include "weighted_sum.h"

#include <utility>

#include "../elements.h"
#include "../step_tensors.h"

namespace steppe::sam {
void WeightedSum::add(Tensors x, double weight) {
  if (sum_.empty()) {
    sum_ = std::move(x);
    weight_ = weight;
    return;
  }
  const double before = std::exchange(weight_, std::nullopt).value_or(1);
  std::vector<elements::Sum> sums;
  sums.reserve(x.size());
  Tensors last, rest_sum(x.size()), rest(x.size());
  last.reserve(x.size());
  for (size_t k = 0; k < x.size(); k++) {
    if (sum_[k].defined() && x[k].defined() && elements::fits(sum_[k]) && elements::lies_like(x[k], sum_[k])) {
      auto out = in_place_of(sum_[k]);
      sums.emplace_back(out, sum_[k], x[k], weight, before);
      last.push_back(std::exchange(sum_[k], std::move(out)));
    } else {
      rest_sum[k] = std::move(sum_[k]);
      rest[k] = x[k];
    }
  }
  elements::add(sums);
  retire(last);
  if (sums.size() == x.size()) return retire(x);
  rest_sum = combination(before, std::move(rest_sum), weight, rest);
  for (size_t k = 0; k < x.size(); k++)
    if (rest_sum[k].defined()) sum_[k] = std::move(rest_sum[k]);
}

Tensors WeightedSum::take() {
  const double weight = std::exchange(weight_, std::nullopt).value_or(1);
  return weight == 1 ? std::exchange(sum_, {}) : scaled(std::exchange(sum_, {}), weight);
}

}  // namespace steppe::sam
