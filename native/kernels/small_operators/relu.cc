#include "relu.h"

#include <algorithm>

#include "../../views.h"
#include "../loops/parallel.h"
#include "../loops/processors.h"
#include "../results.h"

namespace steppe {
namespace relus {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements

STEPPE_LOOPS_BEGIN

// A NaN stays one, and so does -0. y may be x.
STEPPE_FOR_ALL_PROCESSORS
void keep_positive(int64_t count, const float* x, float* y) {
  _Pragma("GCC ivdep")
  for (int64_t i = 0; i < count; i++) y[i] = x[i] < 0 ? 0.0f : x[i];
}

// Beside a NaN a gradient passes. dx may be dy.
STEPPE_FOR_ALL_PROCESSORS
void pass_above(int64_t count, float threshold, const float* dy, const float* x, float* dx) {
  _Pragma("GCC ivdep")
  for (int64_t i = 0; i < count; i++) dx[i] = x[i] <= threshold ? 0.0f : dy[i];
}

STEPPE_LOOPS_END

at::Tensor new_like(const at::Tensor& x) { return at::Tensor(at::detail::empty_strided_cpu(x.sizes(), x.strides(), at::kFloat)); }

// aten::relu(x), or its form in place where nobody else reads x
void forward(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto x = std::move(stack.back()).toTensor();
  const auto y = is_sole(x) ? x : new_like(x);
  const auto* from = x.const_data_ptr<float>();
  auto* to = y.mutable_data_ptr<float>();
  parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) { keep_positive(end - begin, from + begin, to + begin); });
  give(stack, 1, {y});
}

// aten::threshold_backward(dL/dy, x, threshold) -> dL/dx, or with one more argument, where that is to stand
constexpr size_t kBackward = 3;
void backward(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto count = op.schema().arguments().size();
  const auto* arguments = stack.data() + stack.size() - count;
  const auto& dy = arguments[0].toTensor();
  const auto& x = arguments[1].toTensor();
  const auto dx = count > kBackward ? arguments[kBackward].toTensor() : new_like(dy);
  const auto threshold = arguments[2].toScalar().to<float>();
  const auto *from = dy.const_data_ptr<float>(), *of_x = x.const_data_ptr<float>();
  auto* to = dx.mutable_data_ptr<float>();
  parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) { pass_above(end - begin, threshold, from + begin, of_x + begin, to + begin); });
  give(stack, count, {dx});
}

// Elements follow each other in memory, in the same order.
bool are_alike(std::initializer_list<const Program::Layout*> all) {
  const auto each = [&](const auto& is) { return std::ranges::all_of(all, [&](const auto* layout) { return layout != nullptr && layout->dtype == at::kFloat && is(*layout); }); };
  return each(is_new_contiguous) || each(is_new_channels_last_image);
}

}  // namespace
}  // namespace relus

void replace_relus(Program& program, const Layouts& layouts) {
  for (auto& instruction : program.instructions) {
    const auto& name = instruction.op.operator_name();
    const bool is_forward = name == c10::OperatorName("aten::relu", ""), is_backward = name == c10::OperatorName("aten::threshold_backward", "");
    if ((!is_forward && !is_backward) || instruction.outputs[0].regs[0] < 0) continue;
    const auto& inputs = instruction.inputs;
    const auto* result = &layouts[instruction.outputs[0].regs[0]];
    if (is_forward && relus::are_alike({layout_of(inputs[0], layouts), result})) instruction.kernel = relus::forward;
    const bool has_number = is_backward && inputs[2].kind == Program::Operand::Kind::constant && inputs[2].constant.isScalar();
    if (has_number && relus::are_alike({layout_of(inputs[0], layouts), layout_of(inputs[1], layouts), result})) instruction.kernel = relus::backward;
  }
}

}  // namespace steppe
