#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/core/stack.h>

#include <initializer_list>

#include "../new_tensor.h"

namespace steppe {

// Ends a kernel: its results take the place of so many arguments.
inline void give(torch::jit::Stack& stack, size_t arguments, std::initializer_list<at::Tensor> results) {
  stack.erase(stack.end() - static_cast<std::ptrdiff_t>(arguments), stack.end());
  for (const auto& result : results) stack.emplace_back(result);
}

}  // namespace steppe
