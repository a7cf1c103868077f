#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/core/stack.h>

#include <utility>

#include "../step_tensors.h"

namespace steppe {

// Ends a kernel: its results take the place of so many arguments, which are let go of. No result is a reference to one of them.
template <class... Results>
void give(torch::jit::Stack& stack, size_t arguments, Results&&... results) {
  for (auto argument = stack.end() - static_cast<std::ptrdiff_t>(arguments); argument != stack.end(); ++argument) {
    if (!argument->isTensor()) continue;
    auto tensor = std::move(*argument).toTensor();
    retire(tensor);
  }
  stack.resize(stack.size() - arguments);
  (stack.emplace_back(std::forward<Results>(results)), ...);
}

}  // namespace steppe
