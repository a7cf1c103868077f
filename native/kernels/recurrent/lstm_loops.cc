#include "lstm_loops.h"

#include <algorithm>

#include "../loops/exponential.h"
#include "../loops/processors.h"

namespace steppe::lstm {

// The compiler takes a loop over a register's numbers apart before it would vectorise it.
#define STEPPE_AS_LOOP _Pragma("GCC unroll 1")

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

// So many of a register's units, or all of them. What is read stands in registers before anything is written.
template <bool kAll>
struct Units {
  float x[kLanes];
  STEPPE_INSIDE Units(const float* from, int64_t count) {
    STEPPE_AS_LOOP
    for (int k = 0; k < kLanes; k++) x[k] = kAll || k < count ? from[k] : 0.0f;
  }
  STEPPE_INSIDE Units() {}
  STEPPE_INSIDE void give(float* to, int64_t count) const {
    STEPPE_AS_LOOP
    for (int k = 0; k < kLanes; k++)
      if (kAll || k < count) to[k] = x[k];
  }
};

// An activation of some units' gates, in place.
template <bool kAll, bool kTangent>
STEPPE_INSIDE void activate(int64_t count, const float* bias, float* gates) {
  Units<kAll> x(gates, count);
  const Units<kAll> b(bias, count);
  STEPPE_AS_LOOP
  for (int l = 0; l < kLanes; l++) x.x[l] = kTangent ? tangent(x.x[l] + b.x[l]) : sigmoid(x.x[l] + b.x[l]);
  x.give(gates, count);
}

template <bool kAll>
STEPPE_INSIDE void activate_all(int64_t units, int64_t count, const float* bias, float* gates) {
  activate<kAll, false>(count, bias, gates);
  activate<kAll, false>(count, bias + units, gates + units);
  activate<kAll, true>(count, bias + 2 * units, gates + 2 * units);
  activate<kAll, false>(count, bias + 3 * units, gates + 3 * units);
}

template <bool kAll>
STEPPE_INSIDE void move_cells(int64_t units, int64_t count, const float* gates, float* cells, float* c_row, float* h) {
  using Each = Units<kAll>;
  const Each i(gates, count), f(gates + units, count), g(gates + 2 * units, count), o(gates + 3 * units, count), before(c_row, count);
  Each c, tanh_c, out;
  STEPPE_AS_LOOP
  for (int l = 0; l < kLanes; l++) {
    c.x[l] = f.x[l] * before.x[l] + i.x[l] * g.x[l];
    tanh_c.x[l] = tangent(c.x[l]);
    out.x[l] = o.x[l] * tanh_c.x[l];
  }
  tanh_c.give(cells, count);
  before.give(cells + units, count);
  c.give(c_row, count);
  out.give(h, count);
}

template <bool kAll>
STEPPE_INSIDE void backward_units(int64_t units, int64_t k, int64_t count, const float* gates, const float* cells, const Gradients& d_of) {
  using Each = Units<kAll>;
  const Each i(gates, count), f(gates + units, count), g(gates + 2 * units, count), o(gates + 3 * units, count), tanh_c(cells, count), before(cells + units, count);
  const Each dy(d_of.y + k, count), dh(d_of.h + k, count);
  Each dc(d_of.c + k, count), di, df, dg, d_o;
  STEPPE_AS_LOOP
  for (int l = 0; l < kLanes; l++) {
    const float d_h = dh.x[l] + dy.x[l];
    const float d = d_h * o.x[l] * (1.0f - tanh_c.x[l] * tanh_c.x[l]) + dc.x[l];
    d_o.x[l] = d_h * tanh_c.x[l] * o.x[l] * (1.0f - o.x[l]);
    di.x[l] = d * g.x[l] * i.x[l] * (1.0f - i.x[l]);
    df.x[l] = d * before.x[l] * f.x[l] * (1.0f - f.x[l]);
    dg.x[l] = d * i.x[l] * (1.0f - g.x[l] * g.x[l]);
    dc.x[l] = d * f.x[l];
  }
  float* const to = d_of.gates + k;
  di.give(to, count);
  df.give(to + d_of.gate, count);
  dg.give(to + 2 * d_of.gate, count);
  d_o.give(to + 3 * d_of.gate, count);
  dc.give(d_of.c + k, count);
}

// How many of the units stand in blocks of one register.
STEPPE_INSIDE int64_t in_registers(int64_t units, int64_t block) { return block != kLanes ? 0 : units % kLanes == 0 ? units : units / kLanes * kLanes - kLanes; }

// A row's cells wait for its gates, and its outputs for them: gates of all rows come first, so that several rows are under way.
STEPPE_FOR_ALL_PROCESSORS
void forward_rows(int64_t rows, int64_t units, int64_t block, const float* bias, Rows<float> gates, Rows<float> cells, Rows<float> c, Rows<float> h) {
  const auto whole = in_registers(units, block), wide = units - whole;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t k = 0; k < whole; k += kLanes) activate_all<true>(kLanes, kLanes, bias + 4 * k, gates.data + r * gates.step + 4 * k);
  for (int64_t r = 0; r < rows; r++) {
    auto *row = gates.data + r * gates.step, *cells_row = cells.data + r * cells.step, *c_row = c.data + r * c.step, *to = h.data + r * h.step;
    for (int64_t k = 0; k < whole; k += kLanes) move_cells<true>(kLanes, kLanes, row + 4 * k, cells_row + 2 * k, c_row + k, to + k);
  }
  if (wide == 0) return;
  for (int64_t r = 0; r < rows; r++) {
    auto *row = gates.data + r * gates.step + 4 * whole, *cells_row = cells.data + r * cells.step + 2 * whole;
    auto *c_row = c.data + r * c.step + whole, *to = h.data + r * h.step + whole;
    for (int64_t k = 0; k < wide; k += kLanes) {
      const auto count = std::min(kLanes, wide - k);
      activate_all<false>(wide, count, bias + 4 * whole + k, row + k);
      move_cells<false>(wide, count, row + k, cells_row + k, c_row + k, to + k);
    }
  }
}

STEPPE_FOR_ALL_PROCESSORS
void backward_row(int64_t units, int64_t block, const float* gates, const float* cells, const Gradients& d) {
  const auto whole = in_registers(units, block), wide = units - whole;
  for (int64_t k = 0; k < whole; k += kLanes) backward_units<true>(kLanes, k, kLanes, gates + 4 * k, cells + 2 * k, d);
  for (int64_t k = 0; k < wide; k += kLanes) backward_units<false>(wide, whole + k, std::min(kLanes, wide - k), gates + 4 * whole + k, cells + 2 * whole + k, d);
}

STEPPE_LOOPS_END

}  // namespace steppe::lstm
