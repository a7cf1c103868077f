#include <utility>
#include <vector>

#include "../loops/scratch.h"
#include "../products.h"
#include "../results.h"
#include "../small_operators/column_sums.h"
#include "lstm_layer.h"

namespace steppe::lstm {
namespace {

// dU = Σ (gates' gradient)ᵀ (h of the step before), which is the output of that step, and h₀ in the first. Mostly that is zero.
at::Tensor weight_gradient(const at::Tensor& d_gates, products::LeftOperand& all_t, const Values& h0, const at::Tensor& output, int64_t steps, int64_t batch, bool reverse) {
  const auto gates = d_gates.size(1), hidden = output.size(2), later = batch * (steps - 1);
  auto du = all_t.product(reverse ? 0 : batch, rows_of(output, later, hidden, reverse ? batch * hidden : 0));
  const auto is_zero = [](float x) { return x == 0; };
  if (!std::all_of(h0.data, h0.data + batch * hidden, is_zero)) {
    const auto first_t = transposed(rows_of(d_gates, batch, gates, reverse ? later * gates : 0));
    products::multiply(du, first_t, rows_of(h0.tensor, batch, hidden), /*adds=*/true);
  }
  return du;
}

}  // namespace

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
  // Sums over time: what comes from later steps, and from the last state itself.
  auto dh = filled(h0.tensor, d_h.data), dc = filled(c0.tensor, d_c.data), d_gates = new_tensor({rows, 4 * hidden});
  const auto index = [&](int64_t s) { return reverse ? steps - 1 - s : s; };
  const recurrence::Sharing sharing(batch, hidden, steps);
  const recurrence::UnitBlocks blocks(sharing, hidden);
  const Kept in_kept(kept, blocks);
  const auto of_u = recurrence::StatePanels::floats(u.tensor, sharing);
  CallMemory memory(of_u + 2 * n);
  const recurrence::StatePanels panels(u.tensor, sharing, memory.take(of_u));
  auto *parts_h = memory.take(n), *parts_c = memory.take(n);  // of each part [its samples, its units], while it is at work
  auto *to_h = dh.mutable_data_ptr<float>(), *to_c = dc.mutable_data_ptr<float>(), *to_gates = d_gates.mutable_data_ptr<float>();
  const std::vector<float> zeros(static_cast<size_t>(hidden));
  const auto prepare = [&](int64_t i) { panels.fill(i); };
  const Values w(at(1));
  auto dx = new_tensor(x.tensor.sizes()), dx_rows = rows_of(dx, rows, in);
  auto* to_x = dx.mutable_data_ptr<float>();
  // Where threads share the units: some columns of dx for each, some rows of them at a time, in the order in which their gates come.
  constexpr auto kRows = row_product::kMostRows;
  const bool in_pieces = sharing.by_units() && in / kLanes >= sharing.threads() && products::multiplies_as_it_lies(d_gates, w.tensor);
  const auto pieces_of = [&](int64_t time_steps) { return time_steps >= steps ? (rows + kRows - 1) / kRows : batch * time_steps / kRows; };
  const auto piece = [&](const recurrence::Part& part, int64_t k) {
    const auto begin = k * kRows, count = std::min(kRows, rows - begin), row = reverse ? begin : rows - begin - count;
    const auto [column, columns] = sharing.columns_of(part.index, in);
    row_product::multiply(count, 4 * hidden, columns, {to_gates + 4 * hidden * row, 4 * hidden}, {w.data + column, w.tensor.stride(0)},
                          {to_x + in * row + column, in}, /*adds=*/false);
  };
  recurrence::Pieces pieces(sharing.threads(), piece);
  const auto idle = [&](const recurrence::Part& part, int64_t round) { return pieces.do_next(part, pieces_of(round)); };
  // In each round what the step that comes later in time gives its states, and then a step's gates; in one more the pieces that are left.
  const auto in_round = [&](const recurrence::Part& part, int64_t round) {
    if (round > steps) return pieces.do_first(part, pieces_of(steps));
    const auto of_all = hidden * part.sample + part.unit;
    const Rows<float> h = part_of(parts_h, part, batch), c = part_of(parts_c, part, batch), all_h = {to_h + of_all, hidden}, all_c = {to_c + of_all, hidden};
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
      units = std::min(end_unit, in_kept.end_of(unit)) - unit;
      for (int64_t b = part.sample; b < part.sample + part.samples; b++) {
        const auto at = part.units * (b - part.sample) + unit - part.unit;
        const auto* y = from_y != nullptr ? from_y + y_step * t + y_sample * b + unit : zeros.data();
        backward_row(units, blocks.size, in_kept.gates(unit, t, b).data, in_kept.cells(unit, t, b).data, {y, h.data + at, c.data + at, to_gates + 4 * (n * t + hidden * b) + unit, hidden});
      }
    }
  };
  sharing.over_time(steps + (in_pieces ? 2 : 1), prepare, in_round, in_pieces ? recurrence::Sharing::Idle(idle) : recurrence::Sharing::Idle());
  if (!in_pieces) products::multiply(dx_rows, d_gates, w.tensor);
  products::LeftOperand all_t(transposed(d_gates));
  auto dw = all_t.product(0, rows_of(x.tensor, rows, in)), du = weight_gradient(d_gates, all_t, h0, output.tensor, steps, batch, reverse);
  at::Tensor db, db2;  // without biases nobody asks for them
  if (has_biases) {
    db = new_tensor({4 * hidden});
    sum_rows(rows, 4 * hidden, to_gates, db.mutable_data_ptr<float>());
    db2 = filled(db, db.const_data_ptr<float>());
  }
  give(stack, stack.size() - first, std::move(dx), std::move(dw), std::move(du), std::move(db), std::move(db2), std::move(dh), std::move(dc));
}

}  // namespace steppe::lstm
