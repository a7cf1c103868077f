#include "counts.h"

namespace steppe {
namespace {

// aten::add_.Scalar(x, other, alpha)
void count_up(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto& x = stack.end()[-3].toTensor();
  *x.mutable_data_ptr<int64_t>() += stack.end()[-2].toScalar().toLong() * stack.end()[-1].toScalar().toLong();
  stack.erase(stack.end() - 2, stack.end());
}

}  // namespace

void replace_counts(Program& program, const Layouts& layouts) {
  for (auto& instruction : program.instructions) {
    if (instruction.op.operator_name() != c10::OperatorName("aten::add_", "Scalar") || instruction.inputs.size() != 3) continue;
    const auto* x = layout_of(instruction.inputs[0], layouts);
    const auto is_integer = [&](size_t i) { return instruction.inputs[i].kind == Program::Operand::Kind::constant && instruction.inputs[i].constant.isInt(); };
    if (x != nullptr && x->dtype == at::kLong && x->sizes.empty() && is_integer(1) && is_integer(2)) instruction.kernel = count_up;
  }
}

}  // namespace steppe
