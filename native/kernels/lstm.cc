#include "lstm.h"

#include <ATen/core/List.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "lstm_loops.h"
#include "products.h"
#include "recurrence.h"
#include "results.h"

namespace steppe {
namespace {

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
  products::multiply(all, x.view({steps * batch, -1}), w.t());
  const auto biases = has_biases ? at(3).add(at(4)) : at::zeros({4 * hidden}, options);
  const auto start_h = h0.reshape({batch, hidden}).contiguous(), start_c = c0.reshape({batch, hidden}).contiguous();
  const recurrence::Sharing sharing(batch, hidden, steps);
  const auto recurrent = u.contiguous(), matrix = recurrent.t();
  const recurrence::Panels panels(recurrent, /*transposed=*/true, sharing.ours());
  const auto n = batch * hidden;
  auto *gates = k.gates.mutable_data_ptr<float>(), *cells = k.cells.mutable_data_ptr<float>(), *tanh_cells = k.tanh_cells.mutable_data_ptr<float>();
  auto *out = output.mutable_data_ptr<float>(), *before = k.before.mutable_data_ptr<float>();
  const auto *first_h = start_h.const_data_ptr<float>(), *first_c = start_c.const_data_ptr<float>(), *bias = biases.const_data_ptr<float>();
  on_kernel_team(sharing.threads(), [&](Team& team, int64_t i) {
    const recurrence::Share share(sharing, panels, matrix, team, i);
    const auto [sample, samples, unit, units] = share.part();
    const float *h = first_h, *c = first_c;
    for (int64_t s = 0; s < steps; s++) {
      const int64_t t = reverse ? steps - 1 - s : s;
      auto *g = gates + 4 * n * t, *to_c = cells + n * t, *to_tanh = tanh_cells + n * t, *to_h = out + n * t;
      if (s > 0) share.wait();
      share.multiply(h, g, /*adds=*/true);
      for (int64_t b = sample; b < sample + samples; b++) {
        const auto at = hidden * b + unit;
        std::copy_n(h + at, units, before + n * t + at);
        lstm::forward_row(units, hidden, bias + unit, g + 4 * hidden * b + unit, c + at, to_c + at, to_tanh + at, to_h + at);
      }
      h = to_h;
      c = to_c;
    }
  });
  const auto last = [&](const at::Tensor& all, const at::Tensor& start) { return (steps == 0 ? start : all.select(0, reverse ? 0 : steps - 1)).clone().view(h0.sizes()); };
  auto last_h = last(output, start_h), last_c = last(k.cells, start_c);
  give(stack, stack.size() - first, {output, last_h, last_c, kept});
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
  const recurrence::Sharing sharing(batch, hidden, steps);
  const auto matrix = u.contiguous();
  const recurrence::Panels panels(matrix, /*transposed=*/false, sharing.ours());
  const auto n = batch * hidden;
  const auto *gates = k.gates.const_data_ptr<float>(), *cells = k.cells.const_data_ptr<float>(), *tanh_cells = k.tanh_cells.const_data_ptr<float>();
  const auto *first_c = start_c.const_data_ptr<float>(), *from_y = dy.defined() ? dy.const_data_ptr<float>() : nullptr;
  auto *to_h = dh.mutable_data_ptr<float>(), *to_c = dc.mutable_data_ptr<float>(), *to_gates = d_gates.mutable_data_ptr<float>();
  on_kernel_team(sharing.threads(), [&](Team& team, int64_t i) {
    const recurrence::Share share(sharing, panels, matrix, team, i);
    const auto [sample, samples, unit, units] = share.part();
    for (int64_t s = steps - 1; s >= 0; s--) {
      const int64_t t = index(s);
      const auto *before = s > 0 ? cells + n * index(s - 1) : first_c, *g = gates + 4 * n * t, *tanh_c = tanh_cells + n * t;
      auto* d = to_gates + 4 * n * t;
      for (int64_t b = sample; b < sample + samples; b++) {
        const auto at = hidden * b + unit, at_gates = 4 * hidden * b + unit;
        if (from_y != nullptr) lstm::add_to(units, from_y + n * t + at, to_h + at);
        lstm::backward_row(units, hidden, g + at_gates, before + at, tanh_c + at, to_h + at, to_c + at, d + at_gates);
      }
      share.wait();
      share.multiply(d, to_h, /*adds=*/false);
    }
  });
  const auto all = d_gates.view({steps * batch, 4 * hidden}), all_t = all.t();
  auto dx = products::product(all, w).view(x.sizes());
  auto dw = products::product(all_t, x.view({steps * batch, -1})), du = products::product(all_t, k.before);
  // Without biases other weights stand in their places, and nobody looks at these.
  auto db = has_biases ? all.sum(0) : at::zeros_like(at(3)), db2 = has_biases ? db.clone() : at::zeros_like(at(4));
  dh = dh.view(h0.sizes());
  dc = dc.view(c0.sizes());
  give(stack, stack.size() - first, {dx, dw, du, db, db2, dh, dc});
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
