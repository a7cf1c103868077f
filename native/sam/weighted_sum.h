#pragma once
#include <optional>

#include "vectors.h"

namespace steppe::sam {

// Σ weight·x over the vectors that are added, in their order. Their own memory serves where nobody else holds it.
class WeightedSum {
 public:
  void add(Tensors x, double weight);
  Tensors take();

 private:
  Tensors sum_;
  std::optional<double> weight_;  // of the first alone, which is multiplied together with what comes next
};

}  // namespace steppe::sam
