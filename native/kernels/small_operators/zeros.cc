#include "zeros.h"

#include <algorithm>
#include <utility>

#include "../results.h"

namespace steppe {
namespace zeros {
namespace {

constexpr size_t kArguments = 5;
constexpr int64_t kMostElements = 1 << 16;  // that one thread sets in the time that others need to begin

// aten::zeros(sizes, dtype?, layout?, device?, pinned?), of float32 on the CPU
void make(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  auto result = new_tensor((stack.end() - kArguments)->toDimVector());
  std::fill_n(result.mutable_data_ptr<float>(), result.numel(), 0.0f);
  give(stack, kArguments, std::move(result));
}

// What is None is LibTorch's default: strided, on the CPU, not pinned. Of a dtype the result tells.
bool are_plain(const std::vector<Program::Operand>& inputs) {
  if (inputs.size() != kArguments || !std::ranges::all_of(inputs, [](const auto& input) { return input.kind == Program::Operand::Kind::constant; })) return false;
  const auto &layout = inputs[2].constant, &device = inputs[3].constant, &pinned = inputs[4].constant;
  return inputs[0].constant.isIntList() && (layout.isNone() || layout.toLayout() == at::kStrided) && (device.isNone() || device.toDevice().is_cpu()) &&
         (pinned.isNone() || !pinned.toBool());
}

}  // namespace
}  // namespace zeros

void replace_zeros(Program& program, const Layouts& layouts) {
  for (auto& instruction : program.instructions) {
    if (instruction.op.operator_name() != c10::OperatorName("aten::zeros", "") || !zeros::are_plain(instruction.inputs)) continue;
    const auto result = instruction.outputs[0].regs[0];
    if (result < 0) continue;
    const auto& layout = layouts[result];
    if (layout.dtype == at::kFloat && is_new_contiguous(layout) && c10::multiply_integers(layout.sizes) <= zeros::kMostElements) instruction.kernel = zeros::make;
  }
}

}  // namespace steppe
