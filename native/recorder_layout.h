#pragma once
#include "convert.h"

namespace steppe {

// Convolutions on the CPU, and the pooling and batch norm between them, run faster with the channels last in memory. A
// recording brings the operands of each convolution into that order, and LibTorch's operators keep it from there on: the
// program then has a few copies at its start. Results differ from the user's own order by rounding.

// Before a call that is being recorded: puts image and weight of a convolution into that order. Returns whether images have another than the user
// gave them from there on.
bool put_channels_last(const OperatorPlan& plan, torch::jit::Stack& stack);

// Before a call that wants its first operand's elements in the order of its dimensions, or draws random numbers for them: puts them so.
void put_channels_back(const OperatorPlan& plan, torch::jit::Stack& stack);

// Whether a call looks at memory in a way that only the user's own order serves.
bool needs_own_order(const OperatorPlan& plan, const torch::jit::Stack& stack);

}  // namespace steppe
