#include "row_additions.h"

#include <algorithm>
#include <utility>

#include "../loops/parallel.h"
#include "../loops/processors.h"
#include "../results.h"
#include "alike.h"

namespace steppe {
namespace row_additions {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements

STEPPE_LOOPS_BEGIN

STEPPE_FOR_ALL_PROCESSORS
void add_to_rows(int64_t rows, int64_t columns, const float* row, float* to) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) to[i * columns + j] += row[j];
}

// y may be x.
STEPPE_FOR_ALL_PROCESSORS
void add_up(int64_t count, const float* x, const float* row, float* y) {
  _Pragma("GCC ivdep")
  for (int64_t i = 0; i < count; i++) y[i] = x[i] + row[i];
}

STEPPE_LOOPS_END

// aten::add_.Tensor(x [.., columns], row [columns], alpha 1)
void add_in_place(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto &x = stack.end()[-3].toTensor(), &row = stack.end()[-2].toTensor();
  const auto columns = row.size(0);
  const auto* from = row.const_data_ptr<float>();
  auto* to = x.mutable_data_ptr<float>();
  parallel_for(0, x.numel() / columns, kGrain / columns + 1, [&](int64_t begin, int64_t end) { add_to_rows(end - begin, columns, from, to + begin * columns); });
  stack.erase(stack.end() - 2, stack.end());
}

// aten::add.Tensor(x [.., row's sizes], row, alpha 1), or with one more argument, where the sum is to stand
constexpr size_t kAdd = 3;
constexpr int64_t kLeastColumns = 256;
void add(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto count = op.schema().arguments().size();
  const auto* arguments = stack.data() + stack.size() - count;
  const auto &x = arguments[0].toTensor(), &row = arguments[1].toTensor();
  auto y = count > kAdd ? arguments[kAdd].toTensor() : new_like(x);
  const auto columns = row.numel();
  const auto *from = x.const_data_ptr<float>(), *of_row = row.const_data_ptr<float>();
  auto* to = y.mutable_data_ptr<float>();
  parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t size = 0; begin < end; begin += size) {
      const auto column = begin % columns;
      size = std::min(end - begin, columns - column);
      add_up(size, from + begin, of_row + column, to + begin);
    }
  });
  give(stack, count, std::move(y));
}

// Whether x has the row's dimensions, but for leading ones, behind others.
bool is_row_of(const Program::Layout& row, const Program::Layout& x) {
  const auto first = std::ranges::find_if(row.sizes, [](int64_t size) { return size != 1; });
  const auto dims = row.sizes.end() - first;
  return row.sizes.size() <= x.sizes.size() && std::equal(first, row.sizes.end(), x.sizes.end() - dims);
}

}  // namespace
}  // namespace row_additions

void replace_row_additions(Program& program, const Layouts& layouts) {
  for (auto& instruction : program.instructions) {
    const auto& inputs = instruction.inputs;
    if (instruction.kernel != nullptr || inputs.size() != row_additions::kAdd || !is_one(inputs[2])) continue;
    const auto name = c10::toString(instruction.op.operator_name());
    const auto *x = layout_of(inputs[0], layouts), *row = layout_of(inputs[1], layouts);
    if (x == nullptr || row == nullptr || x->dtype != at::kFloat || row->dtype != at::kFloat || !is_contiguous(*x) || !is_contiguous(*row)) continue;
    const auto columns = c10::multiply_integers(row->sizes);
    if (name == "aten::add_.Tensor" && row->sizes.size() == 1 && columns > 0 && columns <= row_additions::kGrain && !x->sizes.empty() && x->sizes.back() == columns) {
      instruction.kernel = row_additions::add_in_place;
    } else if (name == "aten::add.Tensor" && columns >= row_additions::kLeastColumns && row_additions::is_row_of(*row, *x)) {
      const auto result = instruction.outputs.empty() || instruction.outputs[0].regs.empty() ? Program::kNone : instruction.outputs[0].regs[0];
      if (result >= 0 && are_alike({x, &layouts[result]})) instruction.kernel = row_additions::add;
    }
  }
}

}  // namespace steppe
