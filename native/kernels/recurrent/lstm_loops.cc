#include "lstm_loops.h"

#include "../loops/exponential.h"
#include "../loops/processors.h"

namespace steppe::lstm {

STEPPE_LOOPS_BEGIN

STEPPE_INSIDE float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

// Near 0 a polynomial (Cephes, tanhf), where 1 - 2/(e²ˣ+1) would lose digits.
STEPPE_INSIDE float tangent(float x) {
  const float z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  const float near = p * z * x + x;
  const float size = x < 0 ? -x : x;
  const float far = 1.0f - 2.0f / (exponential(2.0f * size) + 1.0f);
  return size < 0.625f ? near : x < 0 ? -far : far;
}

STEPPE_FOR_ALL_PROCESSORS
void forward_row(int64_t count, int64_t hidden, const float* __restrict__ bias, float* __restrict__ gates, const float* __restrict__ before, float* __restrict__ c,
                 float* __restrict__ tanh_c, float* __restrict__ h) {
  float *i = gates, *f = gates + hidden, *g = gates + 2 * hidden, *o = gates + 3 * hidden;
  for (int64_t k = 0; k < count; k++) i[k] = sigmoid(i[k] + bias[k]);
  for (int64_t k = 0; k < count; k++) f[k] = sigmoid(f[k] + bias[hidden + k]);
  for (int64_t k = 0; k < count; k++) g[k] = tangent(g[k] + bias[2 * hidden + k]);
  for (int64_t k = 0; k < count; k++) o[k] = sigmoid(o[k] + bias[3 * hidden + k]);
  for (int64_t k = 0; k < count; k++) {
    const float cell = f[k] * before[k] + i[k] * g[k];
    const float t = tangent(cell);
    c[k] = cell;
    tanh_c[k] = t;
    h[k] = o[k] * t;
  }
}

STEPPE_FOR_ALL_PROCESSORS
void backward_row(int64_t count, int64_t hidden, const float* __restrict__ gates, const float* __restrict__ before, const float* __restrict__ tanh_c,
                  const float* __restrict__ dh, float* __restrict__ dc, float* __restrict__ d_gates) {
  const float *i = gates, *f = gates + hidden, *g = gates + 2 * hidden, *o = gates + 3 * hidden;
  float *di = d_gates, *df = d_gates + hidden, *dg = d_gates + 2 * hidden, *d_o = d_gates + 3 * hidden;
  for (int64_t k = 0; k < count; k++) {
    const float d = dh[k] * o[k] * (1.0f - tanh_c[k] * tanh_c[k]) + dc[k];
    d_o[k] = dh[k] * tanh_c[k] * o[k] * (1.0f - o[k]);
    di[k] = d * g[k] * i[k] * (1.0f - i[k]);
    df[k] = d * before[k] * f[k] * (1.0f - f[k]);
    dg[k] = d * i[k] * (1.0f - g[k] * g[k]);
    dc[k] = d * f[k];
  }
}

STEPPE_FOR_ALL_PROCESSORS
void add_to(int64_t n, const float* __restrict__ from, float* __restrict__ to) {
  for (int64_t i = 0; i < n; i++) to[i] += from[i];
}

STEPPE_LOOPS_END

}  // namespace steppe::lstm
