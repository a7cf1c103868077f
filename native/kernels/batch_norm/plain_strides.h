#pragma once
#include "../layouts.h"

namespace steppe {

// LibTorch's backward of a batch norm on the CPU misreads operands that lie with their channels last, or in the order of their dimensions, but
// for the strides of dimensions of one element, which could be any: a norm over one sample gets wrong gradients where images were put into
// another order. Where a program has that operator still, its operands are given the strides that new tensors have.
void straighten_batch_norms(Program& program, const Layouts& layouts);

}  // namespace steppe
