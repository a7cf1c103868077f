#include "row_additions.h"

#include "../loops/parallel.h"
#include "../loops/processors.h"

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

STEPPE_LOOPS_END

// aten::add_.Tensor(x [.., columns], row [columns], alpha 1)
void add(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto &x = stack.end()[-3].toTensor(), &row = stack.end()[-2].toTensor();
  const auto columns = row.size(0);
  const auto* from = row.const_data_ptr<float>();
  auto* to = x.mutable_data_ptr<float>();
  parallel_for(0, x.numel() / columns, kGrain / columns + 1, [&](int64_t begin, int64_t end) { add_to_rows(end - begin, columns, from, to + begin * columns); });
  stack.erase(stack.end() - 2, stack.end());
}

}  // namespace
}  // namespace row_additions

void replace_row_additions(Program& program, const Layouts& layouts) {
  for (auto& instruction : program.instructions) {
    const auto& inputs = instruction.inputs;
    if (instruction.kernel != nullptr) continue;
    if (instruction.op.operator_name() != c10::OperatorName("aten::add_", "Tensor") || inputs.size() != 3 || !is_one(inputs[2])) continue;
    const auto *x = layout_of(inputs[0], layouts), *row = layout_of(inputs[1], layouts);
    if (x == nullptr || row == nullptr || x->dtype != at::kFloat || row->dtype != at::kFloat || !is_contiguous(*x) || !is_contiguous(*row)) continue;
    if (row->sizes.size() == 1 && row->sizes[0] > 0 && row->sizes[0] <= row_additions::kGrain && !x->sizes.empty() && x->sizes.back() == row->sizes[0]) instruction.kernel = row_additions::add;
  }
}

}  // namespace steppe
