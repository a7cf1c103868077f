#include "copies.h"

#include <algorithm>
#include <utility>

#include "../loops/parallel.h"
#include "../loops/strided_rows.h"
#include "../results.h"
#include "../transposition.h"

namespace steppe {
namespace copies {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements
constexpr size_t kArguments = 2;     // aten::clone(x, memory format?)

void of_image(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto& x = stack.end()[-2].toTensor();
  auto result = x.is_contiguous() ? new_image(x.sizes()) : new_tensor(x.sizes());
  copy_image(result, x);
  give(stack, kArguments, std::move(result));
}

void of_rows(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto& x = stack.end()[-2].toTensor();
  auto result = new_tensor(x.sizes());
  const auto rows = *StridedRows::of(x.sizes(), x.strides());
  const auto* from = x.const_data_ptr<float>();
  auto* to = result.mutable_data_ptr<float>();
  parallel_for(0, rows.count(), kGrain / (rows.length + 1) + 1, [&](int64_t begin, int64_t end) {
    for (auto i = begin; i < end; i++) std::copy_n(from + rows.offset(i), rows.length, to + i * rows.length);
  });
  give(stack, kArguments, std::move(result));
}

decltype(Program::Instruction::kernel) kernel_for(const Program::Layout& from, const Program::Layout& to) {
  if (!from.strided || from.dtype != at::kFloat || std::ranges::count(from.sizes, 0) > 0) return nullptr;
  const bool last = is_channels_last_image(from), first = is_float_image(from) && is_contiguous(from);
  if (first != last && (first ? is_new_channels_last_image(to) : is_new_contiguous(to))) return of_image;
  return !is_contiguous(from) && is_new_contiguous(to) && StridedRows::of(from.sizes, from.strides).has_value() ? of_rows : nullptr;
}

}  // namespace
}  // namespace copies

void replace_copies(Program& program, const Layouts& layouts) {
  for (auto& instruction : program.instructions) {
    if (instruction.op.operator_name() != c10::OperatorName("aten::clone", "") || instruction.inputs.size() != copies::kArguments) continue;
    const auto* from = layout_of(instruction.inputs[0], layouts);
    const auto to = instruction.outputs[0].regs[0];
    if (from != nullptr && to >= 0) instruction.kernel = copies::kernel_for(*from, layouts[to]);
  }
}

}  // namespace steppe
