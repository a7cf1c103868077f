#pragma once
#include "../../program.h"

namespace steppe {

// LibTorch runs a layer of an LSTM on the CPU through oneDNN, which multiplies by the weights anew at every time step: in the
// backward also for the weights' own gradients. Here what does not wait for the step before is one product over all steps.
//
// Replaces both halves of such a layer (aten::mkldnn_rnn_layer and its backward) where a program has them; they leave the work to
// LibTorch for anything but float32 and dense memory. Results agree with LibTorch's up to rounding.
void replace_lstm_layers(Program& program);

}  // namespace steppe
