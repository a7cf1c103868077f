#pragma once
#include <string>

#include "program.h"

namespace steppe {

// Everything about a program's inputs that it depends on: dtypes, shapes, devices, layouts, gradients, and which of them share
// memory with each other, the parameters and the buffers. Inputs with the same signature fit the same program.
std::string describe_inputs(const Tensors& inputs, const Tensors& parameters, const Tensors& buffers);

}  // namespace steppe
