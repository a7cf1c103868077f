#include "lstm.h"

#include <ATen/core/List.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "parallel.h"
#include "processors.h"
#include "row_product.h"

namespace steppe {
namespace {

STEPPE_LOOPS_BEGIN

// eˣ by range reduction, x = n ln 2 + r, and a polynomial in r (coefficients of S. Moshier's Cephes library, expf): relative
// error below 2e-7.
STEPPE_INSIDE float exponential(float x) {
  x = x > 88.0f ? 88.0f : x < -87.0f ? -87.0f : x;
  const float shifted = x * 1.44269504088896341f + 12582912.0f;  // rounds to an integer, in the low bits
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const auto power = (static_cast<int32_t>(n) + 127) << 23;
  float scale;
  std::memcpy(&scale, &power, sizeof scale);
  return p * scale;
}

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

// One time step for one sample. gates: [4 hidden], i f g o before their activations, after it with them.
//   c = f c₋₁ + i g, h = o tanh c
STEPPE_FOR_ALL_PROCESSORS
void forward_row(int64_t hidden, float* __restrict__ gates, const float* __restrict__ before, float* __restrict__ c, float* __restrict__ tanh_c, float* __restrict__ h) {
  float *i = gates, *f = gates + hidden, *g = gates + 2 * hidden, *o = gates + 3 * hidden;
  for (int64_t k = 0; k < 2 * hidden; k++) gates[k] = sigmoid(gates[k]);
  for (int64_t k = 0; k < hidden; k++) g[k] = tangent(g[k]);
  for (int64_t k = 0; k < hidden; k++) o[k] = sigmoid(o[k]);
  for (int64_t k = 0; k < hidden; k++) {
    const float cell = f[k] * before[k] + i[k] * g[k];
    const float t = tangent(cell);
    c[k] = cell;
    tanh_c[k] = t;
    h[k] = o[k] * t;
  }
}

// From dL/dh and dL/dc of a time step to the gates before their activations, and to dL/dc of the step before. dc: in and out.
STEPPE_FOR_ALL_PROCESSORS
void backward_row(int64_t hidden, const float* __restrict__ gates, const float* __restrict__ before, const float* __restrict__ tanh_c, const float* __restrict__ dh, float* __restrict__ dc, float* __restrict__ d_gates) {
  const float *i = gates, *f = gates + hidden, *g = gates + 2 * hidden, *o = gates + 3 * hidden;
  float *di = d_gates, *df = d_gates + hidden, *dg = d_gates + 2 * hidden, *d_o = d_gates + 3 * hidden;
  for (int64_t k = 0; k < hidden; k++) {
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

// The matrix that the rows of each time step are multiplied with, [in, out]: in panels; or by LibTorch, which is as fast where the matrix
// does not stay in a processor's own cache, and faster where there is too little to multiply for bringing it into panels.
class RecurrentMatrix {
 public:
  RecurrentMatrix(const at::Tensor& w, int64_t rows, int64_t steps) : w_(w) {
    if (has_avx512() && w.size(1) % row_product::kLanes == 0 && w.numel() > 0 && w.numel() <= kMostElements && rows * steps >= kLeastRows) panels_.emplace(w);
  }
  // So many samples go through all time steps on a thread of their own, at least.
  int64_t grain(int64_t samples, int64_t steps) const { return panels_.has_value() ? 1 + kGrain / (w_.numel() * steps) : samples; }
  // y[rows, out] ← x[rows, in] W, or y + x W.
  void multiply(int64_t rows, const float* x, float* y, bool adds) const {
    if (panels_.has_value()) return panels_->multiply(rows, x, y, adds);
    auto to = at::from_blob(y, {rows, w_.size(1)}, w_.options());
    const auto from = at::from_blob(const_cast<float*>(x), {rows, w_.size(0)}, w_.options());
    if (adds) {
      to.addmm_(from, w_);
    } else {
      at::mm_out(to, from, w_);
    }
  }

 private:
  static constexpr int64_t kMostElements = 1 << 20, kLeastRows = 16, kGrain = 1 << 20;
  const at::Tensor w_;
  std::optional<row_product::Matrix> panels_;
};

// What the forward keeps for the backward, in one tensor [steps, batch, 7 hidden], plane by plane.
struct Kept {
  Kept(const at::Tensor& all, int64_t steps, int64_t batch, int64_t hidden) {
    const auto flat = all.view(-1);
    const auto n = steps * batch * hidden;
    gates = flat.narrow(0, 0, 4 * n).view({steps, batch, 4 * hidden});
    cells = flat.narrow(0, 4 * n, n).view({steps, batch, hidden});
    tanh_cells = flat.narrow(0, 5 * n, n).view({steps, batch, hidden});
    before = flat.narrow(0, 6 * n, n).view({steps * batch, hidden});
  }
  at::Tensor gates, cells, tanh_cells, before;  // the last: h of the step before
};

bool is_plain(const at::Tensor& x) { return x.defined() && x.is_cpu() && x.scalar_type() == at::kFloat && x.layout() == at::kStrided && !x.is_mkldnn(); }

at::Tensor tensor_at(const torch::jit::Stack& stack, size_t first, size_t i) { return stack[first + i].isNone() ? at::Tensor() : stack[first + i].toTensor(); }

// aten::mkldnn_rnn_layer(input [steps, batch, in], W [4 hidden, in], U [4 hidden, hidden], b, b′, h₀, c₀, reverse, …)
//   -> (output [steps, batch, hidden], h, c, kept)
void forward(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto first = stack.size() - op.schema().arguments().size();
  const auto at = [&](size_t i) { return tensor_at(stack, first, i); };
  for (size_t i = 0; i < 7; i++)
    if (!is_plain(at(i))) return op.callBoxed(stack);
  const auto x = at(0).contiguous(), w = at(1), u = at(2), h0 = at(5), c0 = at(6);
  const bool reverse = stack[first + 7].toBool(), has_biases = stack[first + 12].toBool();
  const int64_t steps = x.size(0), batch = x.size(1), hidden = u.size(1);
  const auto options = x.options();
  auto output = at::empty({steps, batch, hidden}, options), kept = at::empty({steps, batch, 7 * hidden}, options);
  Kept k(kept, steps, batch, hidden);
  auto all = k.gates.view({steps * batch, 4 * hidden});
  if (has_biases) {
    at::addmm_out(all, at(3).add(at(4)), x.view({steps * batch, -1}), w.t());
  } else {
    at::mm_out(all, x.view({steps * batch, -1}), w.t());
  }
  const auto start_h = h0.reshape({batch, hidden}).contiguous(), start_c = c0.reshape({batch, hidden}).contiguous();
  const RecurrentMatrix recurrence(u.t(), batch, steps);
  const auto n = batch * hidden;
  auto *gates = k.gates.mutable_data_ptr<float>(), *cells = k.cells.mutable_data_ptr<float>(), *tanh_cells = k.tanh_cells.mutable_data_ptr<float>();
  auto *out = output.mutable_data_ptr<float>(), *before = k.before.mutable_data_ptr<float>();
  const auto *first_h = start_h.const_data_ptr<float>(), *first_c = start_c.const_data_ptr<float>();
  parallel_for(0, batch, recurrence.grain(batch, steps), [&](int64_t begin, int64_t end) {
    const float *h = first_h, *c = first_c;
    for (int64_t s = 0; s < steps; s++) {
      const int64_t t = reverse ? steps - 1 - s : s;
      auto *g = gates + 4 * n * t, *to_c = cells + n * t, *to_tanh = tanh_cells + n * t, *to_h = out + n * t;
      std::copy(h + hidden * begin, h + hidden * end, before + n * t + hidden * begin);
      recurrence.multiply(end - begin, h + hidden * begin, g + 4 * hidden * begin, /*adds=*/true);
      for (int64_t b = begin; b < end; b++)
        forward_row(hidden, g + 4 * hidden * b, c + hidden * b, to_c + hidden * b, to_tanh + hidden * b, to_h + hidden * b);
      h = to_h;
      c = to_c;
    }
  });
  const auto last = [&](const at::Tensor& all, const at::Tensor& start) { return (steps == 0 ? start : all.select(0, reverse ? 0 : steps - 1)).clone().view(h0.sizes()); };
  auto last_h = last(output, start_h), last_c = last(k.cells, start_c);
  stack.erase(stack.begin() + static_cast<std::ptrdiff_t>(first), stack.end());
  for (auto& result : {output, last_h, last_c, kept}) stack.emplace_back(result);
}

// aten::mkldnn_rnn_layer_backward(input, W, U, b, b′, h₀, c₀, output, h, c, dL/doutput?, dL/dh?, dL/dc?, reverse, …, kept)
//   -> (dL/dinput, dW, dU, db, db′, dL/dh₀, dL/dc₀)
void backward(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto first = stack.size() - op.schema().arguments().size();
  const auto at = [&](size_t i) { return tensor_at(stack, first, i); };
  const auto kept = stack.back().toTensor();
  if (!is_plain(kept)) return op.callBoxed(stack);  // LibTorch's own
  const auto x = at(0).contiguous(), w = at(1), u = at(2), h0 = at(5), c0 = at(6), d_output = at(10), d_h = at(11), d_c = at(12);
  const bool reverse = stack[first + 13].toBool(), has_biases = stack[first + 17].toBool();
  const int64_t steps = x.size(0), batch = x.size(1), hidden = u.size(1);
  const auto options = x.options();
  Kept k(kept, steps, batch, hidden);
  const auto start_h = h0.reshape({batch, hidden}).contiguous(), start_c = c0.reshape({batch, hidden}).contiguous();
  const auto dy = d_output.defined() ? d_output.contiguous() : at::Tensor();
  // Sums over time: what comes from later steps, and from the last state itself.
  auto dh = d_h.defined() ? d_h.reshape({batch, hidden}).clone(at::MemoryFormat::Contiguous) : at::zeros_like(start_h);
  auto dc = d_c.defined() ? d_c.reshape({batch, hidden}).clone(at::MemoryFormat::Contiguous) : at::zeros_like(start_c);
  auto d_gates = at::empty({steps, batch, 4 * hidden}, options);
  const auto index = [&](int64_t s) { return reverse ? steps - 1 - s : s; };
  const RecurrentMatrix recurrence(u, batch, steps);
  const auto n = batch * hidden;
  const auto *gates = k.gates.const_data_ptr<float>(), *cells = k.cells.const_data_ptr<float>(), *tanh_cells = k.tanh_cells.const_data_ptr<float>();
  const auto *first_c = start_c.const_data_ptr<float>(), *from_y = dy.defined() ? dy.const_data_ptr<float>() : nullptr;
  auto *to_h = dh.mutable_data_ptr<float>(), *to_c = dc.mutable_data_ptr<float>(), *to_gates = d_gates.mutable_data_ptr<float>();
  parallel_for(0, batch, recurrence.grain(batch, steps), [&](int64_t begin, int64_t end) {
    for (int64_t s = steps - 1; s >= 0; s--) {
      const int64_t t = index(s);
      if (from_y != nullptr) add_to((end - begin) * hidden, from_y + n * t + hidden * begin, to_h + hidden * begin);
      const auto *before = s > 0 ? cells + n * index(s - 1) : first_c, *g = gates + 4 * n * t, *tanh_c = tanh_cells + n * t;
      auto* d = to_gates + 4 * n * t;
      for (int64_t b = begin; b < end; b++)
        backward_row(hidden, g + 4 * hidden * b, before + hidden * b, tanh_c + hidden * b, to_h + hidden * b, to_c + hidden * b, d + 4 * hidden * b);
      recurrence.multiply(end - begin, d + 4 * hidden * begin, to_h + hidden * begin, /*adds=*/false);
    }
  });
  const auto all = d_gates.view({steps * batch, 4 * hidden}), all_t = all.t();
  auto dx = at::mm(all, w).view(x.sizes());
  auto dw = at::mm(all_t, x.view({steps * batch, -1})), du = at::mm(all_t, k.before);
  // Without biases other weights stand in their places, and nobody looks at these.
  auto db = has_biases ? all.sum(0) : at::zeros_like(at(3)), db2 = has_biases ? db.clone() : at::zeros_like(at(4));
  dh = dh.view(h0.sizes());
  dc = dc.view(c0.sizes());
  stack.erase(stack.begin() + static_cast<std::ptrdiff_t>(first), stack.end());
  for (auto& result : {dx, dw, du, db, db2, dh, dc}) stack.emplace_back(result);
}

constexpr int64_t kLstm = 2;  // LibTorch's number of the mode

// An LSTM's, and no packed sequence: all that this is for. Each call is one layer in one direction, however many there are.
bool is_layer(const Program::Instruction& instruction) {
  const auto& arguments = instruction.op.schema().arguments();
  const auto constant = [&](const char* name) -> const c10::IValue& {
    static const c10::IValue none;
    for (size_t i = 0; i < arguments.size(); i++)
      if (arguments[i].name() == name && instruction.inputs[i].kind == Program::Operand::Kind::constant) return instruction.inputs[i].constant;
    return none;
  };
  const auto &mode = constant("mode"), &sizes = constant("batch_sizes");
  return mode.isInt() && mode.toInt() == kLstm && sizes.isIntList() && sizes.toIntVector().empty();
}

}  // namespace

void replace_lstm_layers(Program& program) {
  for (auto& instruction : program.instructions) {
    const auto& name = instruction.op.schema().name();
    const auto& overload = instruction.op.schema().overload_name();
    const auto count = instruction.op.schema().arguments().size();
    if (!overload.empty() || !is_layer(instruction)) continue;
    if (name == "aten::mkldnn_rnn_layer" && count == 16) instruction.kernel = forward;
    if (name == "aten::mkldnn_rnn_layer_backward" && count == 23) instruction.kernel = backward;
  }
}

}  // namespace steppe
