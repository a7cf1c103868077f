#include "elementwise.h"

#include <algorithm>
#include <utility>

#include "../../step_tensors.h"
#include "../loops/parallel.h"
#include "../loops/processors.h"
#include "../results.h"
#include "alike.h"

namespace steppe {
namespace elementwise {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements
constexpr int64_t kLeastRepeated = 256;  // elements of a tensor that is added to several parts of another

STEPPE_LOOPS_BEGIN

// A NaN stays one, and so does -0, as LibTorch has it on x86. y may be x.
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

// y may be a, or b.
STEPPE_FOR_ALL_PROCESSORS
void add_up(int64_t count, const float* a, const float* b, float* y) {
  _Pragma("GCC ivdep")
  for (int64_t i = 0; i < count; i++) y[i] = a[i] + b[i];
}

STEPPE_LOOPS_END

// aten::relu(x), or its form in place where nobody else reads x
void relu(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto& x = stack.back().toTensor();
  auto y = is_sole(x) ? x : new_like(x);
  const auto* from = x.const_data_ptr<float>();
  auto* to = y.mutable_data_ptr<float>();
  parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) { keep_positive(end - begin, from + begin, to + begin); });
  give(stack, 1, std::move(y));
}

// aten::threshold_backward(dL/dy, x, threshold) -> dL/dx, or with one more argument, where that is to stand
constexpr size_t kThresholdBackward = 3;
void threshold_backward(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto count = op.schema().arguments().size();
  const auto* arguments = stack.data() + stack.size() - count;
  const auto& dy = arguments[0].toTensor();
  const auto& x = arguments[1].toTensor();
  auto dx = count > kThresholdBackward ? arguments[kThresholdBackward].toTensor() : new_like(dy);
  const auto threshold = arguments[2].toScalar().to<float>();
  const auto *from = dy.const_data_ptr<float>(), *of_x = x.const_data_ptr<float>();
  auto* to = dx.mutable_data_ptr<float>();
  parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) { pass_above(end - begin, threshold, from + begin, of_x + begin, to + begin); });
  give(stack, count, std::move(dx));
}

// b repeats itself as long as a goes on.
void add_into(const at::Tensor& y, const at::Tensor& a, const at::Tensor& b) {
  const auto *left = a.const_data_ptr<float>(), *right = b.const_data_ptr<float>();
  auto* to = y.mutable_data_ptr<float>();
  const auto length = b.numel();
  parallel_for(0, y.numel(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t count = 0; begin < end; begin += count) {
      const auto at = begin % length;
      count = std::min(end - begin, length - at);
      add_up(count, left + begin, right + at, to + begin);
    }
  });
}

// aten::add.Tensor(a, b, alpha 1), where b may be as long as some of a's last dimensions, or with one more argument, where the sum is to stand
constexpr size_t kAdd = 3;
void add(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto count = op.schema().arguments().size();
  const auto* arguments = stack.data() + stack.size() - count;
  const auto &a = arguments[0].toTensor(), &b = arguments[1].toTensor();
  auto y = count > kAdd ? arguments[kAdd].toTensor() : new_like(a);
  add_into(y, a, b);
  give(stack, count, std::move(y));
}

// aten::add_.Tensor(a, b, alpha 1)
void add_in_place(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto &a = stack.end()[-3].toTensor(), &b = stack.end()[-2].toTensor();
  const auto *first = a.const_data_ptr<float>(), *other = b.const_data_ptr<float>();
  const bool is_clear = first == other || first + a.numel() <= other || other + a.numel() <= first;
  if (!is_clear) {
    HeldKernelThreads::let_go();
    return op.callBoxed(stack);  // its error
  }
  add_into(a, a, b);
  stack.erase(stack.end() - 2, stack.end());
}

// Whether b has a's last dimensions, behind any number of ones, and both lie in that order.
bool repeats(const Program::Layout* b, const Program::Layout* a) {
  if (a == nullptr || b == nullptr || b->dtype != at::kFloat || !is_new_contiguous(*a) || !is_contiguous(*b)) return false;
  const auto first = std::ranges::find_if(b->sizes, [](int64_t size) { return size != 1; });
  return b->sizes.size() <= a->sizes.size() && std::equal(first, b->sizes.end(), a->sizes.end() - (b->sizes.end() - first)) &&
         c10::multiply_integers(b->sizes) >= kLeastRepeated;
}

decltype(Program::Instruction::kernel) kernel_for(const Program::Instruction& instruction, const Layouts& layouts) {
  const auto& inputs = instruction.inputs;
  const auto result = instruction.outputs.empty() || instruction.outputs[0].regs.empty() ? Program::kNone : instruction.outputs[0].regs[0];
  const auto of = [&](size_t i) { return layout_of(inputs[i], layouts); };
  const auto name = c10::toString(instruction.op.operator_name());
  if (name == "aten::add_.Tensor") return is_one(inputs[2]) && are_alike({of(0), of(1)}) ? add_in_place : nullptr;
  if (result < 0) return nullptr;
  if (name == "aten::relu") return are_alike({of(0), &layouts[result]}) ? relu : nullptr;
  if (name == "aten::add.Tensor") {
    const bool fits = are_alike({of(0), &layouts[result]}) && (are_alike({of(0), of(1)}) || repeats(of(1), of(0)));
    return is_one(inputs[2]) && fits ? add : nullptr;
  }
  if (name != "aten::threshold_backward") return nullptr;
  const bool has_number = inputs[2].kind == Program::Operand::Kind::constant && inputs[2].constant.isScalar();
  return has_number && are_alike({of(0), of(1), &layouts[result]}) ? threshold_backward : nullptr;
}

}  // namespace
}  // namespace elementwise

void replace_elementwise(Program& program, const Layouts& layouts) {
  for (auto& instruction : program.instructions)
    if (const auto kernel = elementwise::kernel_for(instruction, layouts)) instruction.kernel = kernel;
}

}  // namespace steppe
