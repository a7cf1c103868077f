#include "weighted_sum.h"

#include <utility>

#include "../step_tensors.h"

namespace steppe::sam {

void WeightedSum::add(Tensors x, double weight) {
  if (sum_.empty()) {
    sum_ = std::move(x);
    weight_ = weight;
    return;
  }
  sum_ = combination(std::exchange(weight_, std::nullopt).value_or(1), std::move(sum_), weight, x);
  retire(x);
}

Tensors WeightedSum::take() {
  const double weight = std::exchange(weight_, std::nullopt).value_or(1);
  return weight == 1 ? std::exchange(sum_, {}) : scaled(std::exchange(sum_, {}), weight);
}

}  // namespace steppe::sam
