#include "lstm.h"

#include <ATen/core/List.h>
#include <ATen/ops/empty.h>

#include <algorithm>
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

// What the forward keeps for the backward, in one tensor [steps, batch, 6 hidden]: gates, and behind those of all rows cells, a row for each sample in
// each time step, of one block of units after the other. Of few samples, whose units threads share, all rows of some units stand together: else a
// thread's processor would ask ahead for lines that another one writes.
class Kept {
 public:
  Kept(const at::Tensor& all, const recurrence::UnitBlocks& blocks)
      : data_(all.mutable_data_ptr<float>()), batch_(all.size(1)), rows_(all.size(0) * batch_), hidden_(blocks.hidden),
        groups_(batch_ < kFew && blocks.most < kGroup ? std::max<int64_t>(1, hidden_ / kGroup) : 1) {}
  // A block's, of which this is the first unit, from a sample in a time step on.
  lstm::Rows<float> gates(int64_t unit, int64_t time, int64_t sample) const { return rows<4>(data_, unit, time, sample); }
  lstm::Rows<float> cells(int64_t unit, int64_t time, int64_t sample) const { return rows<2>(data_ + 4 * rows_ * hidden_, unit, time, sample); }
  // Behind the last of some units whose blocks stand one after the other in a row.
  int64_t end_of(int64_t unit) const {
    const auto [first, units] = group_of(unit);
    return first + units;
  }

 private:
  static constexpr int64_t kFew = 8, kGroup = 64;
  // The last one takes along what would be less.
  std::pair<int64_t, int64_t> group_of(int64_t unit) const {
    const auto group = std::min(unit / kGroup, groups_ - 1);
    return {group * kGroup, group + 1 < groups_ ? kGroup : hidden_ - group * kGroup};
  }
  template <int64_t kOfUnit>
  lstm::Rows<float> rows(float* data, int64_t unit, int64_t time, int64_t sample) const {
    const auto [first, units] = group_of(unit);
    return {data + kOfUnit * (rows_ * first + (batch_ * time + sample) * units + unit - first), kOfUnit * units};
  }
  float* const data_;
  const int64_t batch_, rows_, hidden_, groups_;
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

constexpr int64_t kSamplesTogether = 12, kBlocksTogether = 4;  // whose gates the first cache holds until their activations are taken

void copy_rows(int64_t rows, int64_t count, lstm::Rows<const float> from, lstm::Rows<float> to) {
  for (int64_t r = 0; r < rows; r++) std::copy_n(from.data + r * from.step, count, to.data + r * to.step);
}

// Of memory that all parts together have, a part's own [its samples, its units].
lstm::Rows<float> part_of(float* all, const recurrence::Part& part, int64_t batch) { return {all + batch * part.unit + part.units * part.sample, part.units}; }

// The sum of both biases [4 hidden], by blocks of units.
void by_blocks(const float* b, const float* b2, const recurrence::UnitBlocks& blocks, float* to) {
  for (int64_t block = 0; block < blocks.count(); block++) {
    for (int64_t gate = 0; gate < 4; gate++) {
      const auto* from = b + gate * blocks.hidden + blocks.begin(block);
      const auto* from2 = b2 + gate * blocks.hidden + blocks.begin(block);
      for (int64_t k = 0; k < blocks.width(block); k++) *to++ = from[k] + from2[k];
    }
  }
}

// The gates of some units from rows [4 hidden].
void gather(int64_t rows, int64_t units, int64_t hidden, lstm::Rows<const float> from, lstm::Rows<float> to) {
  for (int64_t gate = 0; gate < 4; gate++) copy_rows(rows, units, {from.data + gate * hidden, from.step}, {to.data + gate * units, to.step});
}

// The gates of a part's samples and blocks of units from their inputs in all time steps.
void multiply_inputs(const recurrence::GatePanels& panels, const recurrence::Part& part, lstm::Rows<const float> x, int64_t steps, int64_t batch, const recurrence::UnitBlocks& blocks,
                     const Kept& to) {
  const bool has_all = part.samples == batch;  // one time step's rows follow the other's
  const auto calls = has_all ? 1 : steps, rows = has_all ? steps * batch : part.samples;
  const auto [first, end] = blocks.of(part.unit, part.units);
  for (auto block = first; block < end; block++)
    for (int64_t t = 0; t < calls; t++)
      panels.multiply(rows, {x.data + x.step * (batch * t + part.sample), x.step}, block, to.gates(blocks.begin(block), t, part.sample), /*adds=*/false);
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
  const int64_t steps = x.tensor.size(0), batch = x.tensor.size(1), hidden = u.tensor.size(1), in = x.tensor.size(2), rows = steps * batch, n = batch * hidden;
  const auto options = x.tensor.options();
  auto output = at::empty({steps, batch, hidden}, options), kept = at::empty({steps, batch, 6 * hidden}, options);
  const recurrence::Sharing sharing(batch, hidden, steps);
  const recurrence::UnitBlocks blocks(sharing, hidden);
  const Kept keep(kept, blocks);
  std::vector<float> bias(static_cast<size_t>(4 * hidden));
  if (has_biases) by_blocks(Values(at(3)).data, Values(at(4)).data, blocks, bias.data());
  const Values w(at(1));
  const bool ours = sharing.ours(), multiplies_inputs = ours && recurrence::GatePanels::suit(w.tensor);
  const auto of_u = ours ? u.tensor.numel() : 0, of_w = multiplies_inputs ? w.tensor.numel() : 0;
  CallMemory memory(of_u + of_w + n);
  const recurrence::GatePanels states(u.tensor, blocks, memory.take(of_u)), inputs(w.tensor, blocks, memory.take(of_w));
  auto* cells = memory.take(n);  // of each part [its samples, its units]: as the last time step left them
  at::Tensor all;  // gates from inputs, where they are one product for all threads; of one block they stand where they belong
  if (!multiplies_inputs) {
    all = ours ? at::empty({rows, 4 * hidden}, options) : rows_of(kept, rows, 4 * hidden);
    products::multiply(all, rows_of(x.tensor, rows, in), transposed(w.tensor));
  }
  const auto* from_all = ours && !multiplies_inputs ? all.const_data_ptr<float>() : nullptr;
  auto* out = output.mutable_data_ptr<float>();
  const auto index = [&](int64_t s) { return reverse ? steps - 1 - s : s; };
  const auto prepare = [&](int64_t i) {
    states.fill(sharing, i);
    if (multiplies_inputs) inputs.fill(sharing, i);
  };
  auto last_c = filled(c0.tensor, c0.data);
  sharing.over_time(steps, prepare, [&](const recurrence::Part& part, int64_t s) {
    const auto [first_block, end_block] = blocks.of(part.unit, part.units);
    const lstm::Rows<float> c = part_of(cells, part, batch), all_c = {last_c.mutable_data_ptr<float>() + hidden * part.sample + part.unit, hidden};
    if (s == 0) copy_rows(part.samples, part.units, {all_c.data, hidden}, c);
    if (s == 0 && multiplies_inputs) multiply_inputs(inputs, part, {x.data, in}, steps, batch, blocks, keep);
    const auto t = index(s);
    const auto* h = s > 0 ? out + n * index(s - 1) : h0.data;
    recurrence::fetch(sharing, part, hidden, h + hidden * part.sample);
    for (auto first = first_block, end = first; first < end_block; first = end) {
      const auto unit = blocks.begin(first);
      end = std::min({first + kBlocksTogether, end_block, blocks.of(unit, keep.end_of(unit) - unit).second});
      const auto units = blocks.begin(end - 1) + blocks.width(end - 1) - unit;
      for (int64_t b = part.sample, some = 0; b < part.sample + part.samples; b += some) {
        some = std::min(ours ? kSamplesTogether : part.samples, part.sample + part.samples - b);
        for (auto block = first; block < end; block++) {
          const auto gates = keep.gates(blocks.begin(block), t, b);
          if (from_all != nullptr) gather(some, blocks.width(block), hidden, {from_all + 4 * hidden * (batch * t + b) + blocks.begin(block), 4 * hidden}, gates);
          states.multiply(some, {h + hidden * b, hidden}, block, gates, /*adds=*/true);
        }
        lstm::forward_rows(some, units, blocks.most, bias.data() + 4 * unit, keep.gates(unit, t, b), keep.cells(unit, t, b),
                           {c.data + c.step * (b - part.sample) + unit - part.unit, c.step}, {out + n * t + hidden * b + unit, hidden});
      }
    }
    if (s + 1 == steps) copy_rows(part.samples, part.units, {c.data, c.step}, all_c);
  });
  const auto last = reverse ? 0 : n * (steps - 1);
  auto last_h = filled(h0.tensor, steps == 0 ? h0.data : out + last);
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
  // Sums over time: what comes from later steps, and from the last state itself.
  auto dh = filled(h0.tensor, d_h.data), dc = filled(c0.tensor, d_c.data), d_gates = at::empty({rows, 4 * hidden}, options);
  const auto index = [&](int64_t s) { return reverse ? steps - 1 - s : s; };
  const recurrence::Sharing sharing(batch, hidden, steps);
  const recurrence::UnitBlocks blocks(sharing, hidden);
  const Kept keep(kept, blocks);
  const auto of_u = recurrence::StatePanels::floats(u.tensor, sharing);
  CallMemory memory(of_u + 2 * n);
  const recurrence::StatePanels panels(u.tensor, sharing, memory.take(of_u));
  auto *parts_h = memory.take(n), *parts_c = memory.take(n);  // of each part [its samples, its units], while it is at work
  auto *to_h = dh.mutable_data_ptr<float>(), *to_c = dc.mutable_data_ptr<float>(), *to_gates = d_gates.mutable_data_ptr<float>();
  const std::vector<float> zeros(static_cast<size_t>(hidden));
  const auto prepare = [&](int64_t i) { panels.fill(i); };
  // In each round what the step that comes later in time gives its states, and then a step's gates.
  sharing.over_time(steps + 1, prepare, [&](const recurrence::Part& part, int64_t round) {
    const auto of_all = hidden * part.sample + part.unit;
    const lstm::Rows<float> h = part_of(parts_h, part, batch), c = part_of(parts_c, part, batch), all_h = {to_h + of_all, hidden}, all_c = {to_c + of_all, hidden};
    if (round == 0) {
      copy_rows(part.samples, part.units, {all_h.data, hidden}, h);
      copy_rows(part.samples, part.units, {all_c.data, hidden}, c);
    } else {
      const auto* later = to_gates + 4 * n * index(steps - round);
      recurrence::fetch(sharing, part, 4 * hidden, later + 4 * hidden * part.sample);
      panels.multiply(part, later, h.data);
    }
    if (round == steps) {
      copy_rows(part.samples, part.units, {h.data, h.step}, all_h);
      return copy_rows(part.samples, part.units, {c.data, c.step}, all_c);
    }
    const auto t = index(steps - 1 - round);
    const auto end_unit = part.unit + part.units;
    for (int64_t unit = part.unit, units = 0; unit < end_unit; unit += units) {
      units = std::min(end_unit, keep.end_of(unit)) - unit;
      for (int64_t b = part.sample; b < part.sample + part.samples; b++) {
        const auto at = part.units * (b - part.sample) + unit - part.unit;
        const auto* y = from_y != nullptr ? from_y + y_step * t + y_sample * b + unit : zeros.data();
        lstm::backward_row(units, blocks.most, keep.gates(unit, t, b).data, keep.cells(unit, t, b).data, {y, h.data + at, c.data + at, to_gates + 4 * (n * t + hidden * b) + unit, hidden});
      }
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
