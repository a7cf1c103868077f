#pragma once
#include <cstdint>

#include "../loops/row_product.h"

// The arithmetic of an LSTM's time step behind its products, for some units of some samples, in blocks of so many units, the last of which takes along
// what would be less. What is kept of a sample stands in two rows: for one block after the other its gates i f g o, and its cells' tanh and its cells of
// the step before.
namespace steppe::lstm {

using row_product::Rows;

// `gates`: from the inputs and the state before, without biases; after it with them and their activations. `c`: in and out.
//   c = f c₋₁ + i g, h = o tanh c
void forward_rows(int64_t rows, int64_t units, int64_t block, const float* bias, Rows<float> gates, Rows<float> cells, Rows<float> c, Rows<float> h);

struct Gradients {
  const float *y, *h;  // of a time step's outputs: what others give, and what later time steps give
  float* c;            // in: of its cells; out: of those before
  float* gates;        // out: before their activations; each of the four `gate` numbers behind the one before
  int64_t gate;
};
// For some units of one sample.
void backward_row(int64_t units, int64_t block, const float* gates, const float* cells, const Gradients& d);

}  // namespace steppe::lstm
