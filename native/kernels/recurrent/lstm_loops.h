#pragma once
#include <cstdint>

// The arithmetic of an LSTM's time step behind its products, for `count` units of one sample. Of the gates i f g o each one's numbers stand
// `hidden` behind the one's before.
namespace steppe::lstm {

// gates: from the inputs and the state before, without biases; after it with them and their activations.
//   c = f c₋₁ + i g, h = o tanh c
void forward_row(int64_t count, int64_t hidden, const float* bias, float* gates, const float* before, float* c, float* tanh_c, float* h);
// From dL/dh and dL/dc of a time step to the gates before their activations, and to dL/dc of the step before. dc: in and out.
void backward_row(int64_t count, int64_t hidden, const float* gates, const float* before, const float* tanh_c, const float* dh, float* dc, float* d_gates);
void add_to(int64_t n, const float* from, float* to);

}  // namespace steppe::lstm
