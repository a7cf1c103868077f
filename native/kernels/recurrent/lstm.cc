#include "lstm.h"

#include <ATen/core/List.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "../../views.h"
#include "../loops/scratch.h"
#include "../products.h"
#include "../results.h"
#include "../small_operators/column_sums.h"
#include "lstm_loops.h"
#include "recurrence.h"

namespace steppe {
namespace {

// What the forward keeps for the backward, in one tensor [steps, batch, 6 hidden], plane by plane: gates [steps · batch, 4 hidden], and
// [steps · batch, hidden] of cells and of their tanh.
struct Kept {
  Kept(const at::Tensor& all, int64_t n) : gates(all.mutable_data_ptr<float>()), cells(gates + 4 * n), tanh_cells(gates + 5 * n) {}
  float *gates, *cells, *tanh_cells;
};

// Of a contiguous x, from its element `offset` on.
at::Tensor rows_of(const at::Tensor& x, int64_t rows, int64_t columns, int64_t offset = 0) { return view_of(x, {rows, columns}, {columns, 1}, offset); }

at::Tensor transposed(const at::Tensor& x) { return view_of(x, {x.size(1), x.size(0)}, {x.stride(1), x.stride(0)}, 0); }

// A new tensor like x with the values at `from`, or zeros.
at::Tensor filled(const at::Tensor& x, const float* from) {
  auto result = at::empty(x.sizes(), x.options());
  auto* to = result.mutable_data_ptr<float>();
  if (from == nullptr) {
    std::fill_n(to, x.numel(), 0.0f);
  } else {
    std::copy_n(from, x.numel(), to);
  }
  return result;
}

at::Tensor contiguous(const at::Tensor& x) {
  if (x.is_contiguous()) return x;
  HeldKernelThreads::let_go();
  return x.contiguous();
}

// Its contiguous form, or nothing, and its values.
struct Values {
  explicit Values(const at::Tensor& x) : tensor(x.defined() ? contiguous(x) : x), data(x.defined() ? tensor.const_data_ptr<float>() : nullptr) {}
  const at::Tensor tensor;
  const float* const data;
};

bool is_plain(const at::Tensor& x) { return x.defined() && x.is_cpu() && x.scalar_type() == at::kFloat && x.layout() == at::kStrided && !x.is_mkldnn(); }

at::Tensor tensor_at(const torch::jit::Stack& stack, size_t first, size_t i) { return stack[first + i].isNone() ? at::Tensor() : stack[first + i].toTensor(); }

void by_libtorch(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  HeldKernelThreads::let_go();
  op.callBoxed(stack);
}

// aten::mkldnn_rnn_layer(input [steps, batch, in], W [4 hidden, in], U [4 hidden, hidden], b, b′, h₀, c₀, reverse, …)
//   -> (output [steps, batch, hidden], h, c, kept)
void forward(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto first = stack.size() - op.schema().arguments().size();
  const auto at = [&](size_t i) { return tensor_at(stack, first, i); };
  for (size_t i = 0; i < 7; i++)
    if (!is_plain(at(i))) return by_libtorch(op, stack);
  const Values x(at(0)), u(at(2)), h0(at(5)), c0(at(6));
  const bool reverse = stack[first + 7].toBool(), has_biases = stack[first + 12].toBool();
  const int64_t steps = x.tensor.size(0), batch = x.tensor.size(1), hidden = u.tensor.size(1), rows = steps * batch, n = batch * hidden;
  const auto options = x.tensor.options();
  auto output = at::empty({steps, batch, hidden}, options), kept = at::empty({steps, batch, 6 * hidden}, options);
  const Kept k(kept, steps * n);
  std::vector<float> bias(static_cast<size_t>(4 * hidden));
  if (has_biases) {
    std::copy_n(Values(at(3)).data, 4 * hidden, bias.data());
    lstm::add_to(4 * hidden, Values(at(4)).data, bias.data());
  }
  const recurrence::Sharing sharing(batch, hidden, steps);
  const Values w(at(1));
  const bool ours = sharing.ours(), multiplies_inputs = ours && recurrence::Panels::suit(w.tensor);
  const auto of_u = ours ? u.tensor.numel() : 0, of_w = multiplies_inputs ? w.tensor.numel() : 0;
  CallMemory memory(of_u + of_w);
  const recurrence::Panels panels(u.tensor, /*transposed=*/true, memory.take(of_u));
  std::optional<recurrence::Panels> inputs;  // else one product for all threads
  if (multiplies_inputs) {
    inputs.emplace(w.tensor, /*transposed=*/true, memory.take(of_w));
  } else {
    auto all = rows_of(kept, rows, 4 * hidden);
    products::multiply(all, rows_of(x.tensor, rows, x.tensor.size(2)), transposed(w.tensor));
  }
  auto* out = output.mutable_data_ptr<float>();
  const auto index = [&](int64_t s) { return reverse ? steps - 1 - s : s; };
  const auto prepare = [&](int64_t i) {
    recurrence::fill(sharing, panels, i);
    if (inputs.has_value()) recurrence::fill(sharing, *inputs, i);
  };
  sharing.over_time(steps, prepare, [&](const recurrence::Part& part, int64_t s) {
    if (s == 0 && inputs.has_value()) recurrence::multiply_all(sharing, part, *inputs, steps, batch, x.data, k.gates);
    const auto t = n * index(s), before = s > 0 ? n * index(s - 1) : 0;
    const auto *h = s > 0 ? out + before : h0.data, *c = s > 0 ? k.cells + before : c0.data;
    recurrence::multiply(sharing, part, panels, h, k.gates + 4 * t, /*adds=*/true);
    for (int64_t b = part.sample; b < part.sample + part.samples; b++) {
      const auto row = hidden * b + part.unit, at = t + row;
      lstm::forward_row(part.units, hidden, bias.data() + part.unit, k.gates + 4 * (t + hidden * b) + part.unit, c + row, k.cells + at, k.tanh_cells + at, out + at);
    }
  });
  const auto last = reverse ? 0 : n * (steps - 1);
  auto last_h = filled(h0.tensor, steps == 0 ? h0.data : out + last), last_c = filled(c0.tensor, steps == 0 ? c0.data : k.cells + last);
  give(stack, stack.size() - first, {output, last_h, last_c, kept});
}

// dU = Σ (gates' gradient)ᵀ (h of the step before), which is the output of that step, and h₀ in the first. Mostly that is zero.
at::Tensor weight_gradient(const at::Tensor& d_gates, const Values& h0, const at::Tensor& output, int64_t steps, int64_t batch, bool reverse) {
  const auto gates = d_gates.size(1), hidden = output.size(2), later = batch * (steps - 1);
  const auto rows = [&](int64_t count, int64_t first) { return transposed(rows_of(d_gates, count, gates, first * gates)); };
  auto du = products::product(rows(later, reverse ? 0 : batch), rows_of(output, later, hidden, reverse ? batch * hidden : 0));
  const auto is_zero = [](float x) { return x == 0; };
  if (!std::all_of(h0.data, h0.data + batch * hidden, is_zero)) products::multiply(du, rows(batch, reverse ? later : 0), rows_of(h0.tensor, batch, hidden), /*adds=*/true);
  return du;
}

// aten::mkldnn_rnn_layer_backward(input, W, U, b, b′, h₀, c₀, output, h, c, dL/doutput?, dL/dh?, dL/dc?, reverse, …, kept)
//   -> (dL/dinput, dW, dU, db, db′, dL/dh₀, dL/dc₀)
void backward(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto first = stack.size() - op.schema().arguments().size();
  const auto at = [&](size_t i) { return tensor_at(stack, first, i); };
  const auto kept = stack.back().toTensor();
  if (!is_plain(kept)) return by_libtorch(op, stack);  // its own
  const Values x(at(0)), u(at(2)), h0(at(5)), c0(at(6)), output(at(7)), d_h(at(11)), d_c(at(12));
  auto dy = at(10);  // of a layer whose batch comes first it has the samples' rows in another order
  if (dy.defined() && dy.stride(2) != 1) dy = contiguous(dy);
  const auto* from_y = dy.defined() ? dy.const_data_ptr<float>() : nullptr;
  const auto y_step = dy.defined() ? dy.stride(0) : 0, y_sample = dy.defined() ? dy.stride(1) : 0;
  const bool reverse = stack[first + 13].toBool(), has_biases = stack[first + 17].toBool();
  const int64_t steps = x.tensor.size(0), batch = x.tensor.size(1), hidden = u.tensor.size(1), rows = steps * batch, n = batch * hidden, in = x.tensor.size(2);
  const auto options = x.tensor.options();
  const Kept k(kept, steps * n);
  // Sums over time: what comes from later steps, and from the last state itself.
  auto dh = filled(h0.tensor, d_h.data), dc = filled(c0.tensor, d_c.data), d_gates = at::empty({rows, 4 * hidden}, options);
  const auto index = [&](int64_t s) { return reverse ? steps - 1 - s : s; };
  const recurrence::Sharing sharing(batch, hidden, steps);
  const auto floats = sharing.ours() ? recurrence::Panels::floats(u.tensor) : 0;
  CallMemory memory(floats);
  const recurrence::Panels panels(u.tensor, /*transposed=*/false, memory.take(floats));
  auto *to_h = dh.mutable_data_ptr<float>(), *to_c = dc.mutable_data_ptr<float>(), *to_gates = d_gates.mutable_data_ptr<float>();
  const auto prepare = [&](int64_t i) { recurrence::fill(sharing, panels, i); };
  // In each round what the step that comes later in time gives its states, and then a step's gates.
  sharing.over_time(steps + 1, prepare, [&](const recurrence::Part& part, int64_t round) {
    if (round > 0) recurrence::multiply(sharing, part, panels, to_gates + 4 * n * index(steps - round), to_h, /*adds=*/false);
    if (round == steps) return;
    const auto s = steps - 1 - round, t = index(s);
    const auto *before = s > 0 ? k.cells + n * index(s - 1) : c0.data, *g = k.gates + 4 * n * t, *tanh_c = k.tanh_cells + n * t;
    auto* d = to_gates + 4 * n * t;
    for (int64_t b = part.sample; b < part.sample + part.samples; b++) {
      const auto at = hidden * b + part.unit, at_gates = 4 * hidden * b + part.unit;
      if (from_y != nullptr) lstm::add_to(part.units, from_y + y_step * t + y_sample * b + part.unit, to_h + at);
      lstm::backward_row(part.units, hidden, g + at_gates, before + at, tanh_c + at, to_h + at, to_c + at, d + at_gates);
    }
  });
  const auto all_t = transposed(d_gates);
  auto dx = at::empty(x.tensor.sizes(), options), dx_rows = rows_of(dx, rows, in);
  products::multiply(dx_rows, d_gates, at(1));
  auto dw = products::product(all_t, rows_of(x.tensor, rows, in)), du = weight_gradient(d_gates, h0, output.tensor, steps, batch, reverse);
  at::Tensor db, db2;  // without biases nobody asks for them
  if (has_biases) {
    db = at::empty({4 * hidden}, options);
    sum_rows(rows, 4 * hidden, to_gates, db.mutable_data_ptr<float>());
    db2 = filled(db, db.const_data_ptr<float>());
  }
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
