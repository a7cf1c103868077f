#include <utility>
#include <vector>

#include "../loops/scratch.h"
#include "../products.h"
#include "../results.h"
#include "lstm_layer.h"

namespace steppe::lstm {
namespace {

constexpr int64_t kSamplesTogether = 12, kBlocksTogether = 4;  // whose gates the first cache holds until their activations are taken

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
void gather(int64_t rows, int64_t units, int64_t hidden, Rows<const float> from, Rows<float> to) {
  for (int64_t gate = 0; gate < 4; gate++) copy_rows(rows, units, {from.data + gate * hidden, from.step}, {to.data + gate * units, to.step});
}

// The gates of a part's samples, of all units, from their inputs in all time steps.
void multiply_inputs(const recurrence::GatePanels& panels, const recurrence::Part& part, Rows<const float> x, int64_t steps, int64_t batch, const recurrence::UnitBlocks& blocks,
                     const Kept& to) {
  const bool has_all = part.samples == batch;  // one time step's rows follow the other's
  const auto calls = has_all ? 1 : steps, rows = has_all ? steps * batch : part.samples;
  for (int64_t block = 0; block < blocks.count(); block++)
    for (int64_t t = 0; t < calls; t++)
      panels.multiply(rows, {x.data + x.step * (batch * t + part.sample), x.step}, block, to.gates(blocks.begin(block), t, part.sample), /*adds=*/false);
}

}  // namespace

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
  auto output = new_tensor({steps, batch, hidden}), kept = new_tensor({steps, batch, 6 * hidden});
  const recurrence::Sharing sharing(batch, hidden, steps);
  const recurrence::UnitBlocks blocks(sharing, hidden);
  const Kept in_kept(kept, blocks);
  std::vector<float> bias(static_cast<size_t>(4 * hidden));
  if (has_biases) by_blocks(Values(at(3)).data, Values(at(4)).data, blocks, bias.data());
  const Values w(at(1));
  const bool ours = sharing.ours(), multiplies_inputs = ours && recurrence::GatePanels::suit(w.tensor);
  at::Tensor of_inputs;  // gates from inputs, where they are one product for all threads; of one block they stand where they belong
  if (!multiplies_inputs) {
    of_inputs = ours ? new_tensor({rows, 4 * hidden}) : rows_of(kept, rows, 4 * hidden);
    products::multiply(of_inputs, rows_of(x.tensor, rows, in), transposed(w.tensor));
  }
  const auto of_u = ours ? u.tensor.numel() : 0, of_w = multiplies_inputs ? w.tensor.numel() : 0;
  CallMemory memory(of_u + of_w + n);
  const recurrence::GatePanels states(u.tensor, blocks, memory.take(of_u)), inputs(w.tensor, blocks, memory.take(of_w));
  auto* cells = memory.take(n);  // of each part [its samples, its units]: as the last time step left them
  const auto* from_inputs = ours && !multiplies_inputs ? of_inputs.const_data_ptr<float>() : nullptr;
  auto* out = output.mutable_data_ptr<float>();
  const auto index = [&](int64_t s) { return reverse ? steps - 1 - s : s; };
  const auto prepare = [&](int64_t i) {
    states.fill(sharing, i);
    if (multiplies_inputs) inputs.fill(sharing, i);
  };
  auto last_c = filled(c0.tensor, c0.data);
  // Where threads share the units: gates from inputs, some rows of a block at a time, in the order of the time steps.
  constexpr auto kRows = row_product::kMostRows;
  const auto pieces_of = [&](const recurrence::Part& part, int64_t time_steps) {
    const auto [first, end] = blocks.of(part.unit, part.units);
    return (batch * time_steps + kRows - 1) / kRows * (end - first);
  };
  const auto piece = [&](const recurrence::Part& part, int64_t k) {
    const auto [first, end] = blocks.of(part.unit, part.units);
    const auto block = first + k % (end - first), begin = k / (end - first) * kRows, count = std::min(kRows, rows - begin), row = reverse ? rows - begin - count : begin;
    inputs.multiply(count, {x.data + in * row, in}, block, in_kept.gates(blocks.begin(block), 0, row), /*adds=*/false);
  };
  recurrence::Pieces pieces(sharing.threads(), piece);
  const bool in_pieces = multiplies_inputs && sharing.by_units();
  const auto idle = [&](const recurrence::Part& part, int64_t) { return pieces.do_next(part, pieces_of(part, steps)); };
  const auto round = [&](const recurrence::Part& part, int64_t s) {
    const auto [first_block, end_block] = blocks.of(part.unit, part.units);
    const Rows<float> c = part_of(cells, part, batch), all_c = {last_c.mutable_data_ptr<float>() + hidden * part.sample + part.unit, hidden};
    if (s == 0) copy_rows(part.samples, part.units, {all_c.data, hidden}, c);
    if (in_pieces) pieces.do_first(part, pieces_of(part, s + 1));
    if (s == 0 && multiplies_inputs && !in_pieces) multiply_inputs(inputs, part, {x.data, in}, steps, batch, blocks, in_kept);
    const auto t = index(s);
    const auto* h = s > 0 ? out + n * index(s - 1) : h0.data;
    recurrence::fetch(sharing, part, hidden, h + hidden * part.sample);
    for (auto begin = first_block, end = begin; begin < end_block; begin = end) {
      const auto unit = blocks.begin(begin);
      end = std::min({begin + kBlocksTogether, end_block, blocks.of(unit, in_kept.end_of(unit) - unit).second});
      const auto units = blocks.begin(end - 1) + blocks.width(end - 1) - unit;
      for (int64_t b = part.sample, some = 0; b < part.sample + part.samples; b += some) {
        some = std::min(ours ? kSamplesTogether : part.samples, part.sample + part.samples - b);
        for (auto block = begin; block < end; block++) {
          const auto gates = in_kept.gates(blocks.begin(block), t, b);
          if (from_inputs != nullptr) gather(some, blocks.width(block), hidden, {from_inputs + 4 * hidden * (batch * t + b) + blocks.begin(block), 4 * hidden}, gates);
          states.multiply(some, {h + hidden * b, hidden}, block, gates, /*adds=*/true);
        }
        forward_rows(some, units, blocks.size, bias.data() + 4 * unit, in_kept.gates(unit, t, b), in_kept.cells(unit, t, b),
                     {c.data + c.step * (b - part.sample) + unit - part.unit, c.step}, {out + n * t + hidden * b + unit, hidden});
      }
    }
    if (s + 1 == steps) copy_rows(part.samples, part.units, {c.data, c.step}, all_c);
  };
  sharing.over_time(steps, prepare, round, in_pieces ? recurrence::Sharing::Idle(idle) : recurrence::Sharing::Idle());
  const auto last = reverse ? 0 : n * (steps - 1);
  auto last_h = filled(h0.tensor, steps == 0 ? h0.data : out + last);
  give(stack, stack.size() - first, std::move(output), std::move(last_h), std::move(last_c), std::move(kept));
}

}  // namespace steppe::lstm
