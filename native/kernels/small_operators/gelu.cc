#include "gelu.h"

#include <utility>
#include <vector>

#include "../../program_passes.h"
#include "../../step_tensors.h"
#include "../loops/parallel.h"
#include "../results.h"
#include "alike.h"
#include "gelu_loops.h"

namespace steppe {
namespace gelu {
namespace {

constexpr int64_t kGrain = 1 << 12;  // elements

template <class Use>
void over(const at::Tensor& x, const Use& use) {
  parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) { use(end - begin, begin); });
}

bool is_by_tangent(const c10::IValue& approximate) { return approximate.toStringRef() == "tanh"; }

// aten::gelu(x, approximate) -> y, or with one more argument, where that is to stand
constexpr size_t kForward = 2;
void forward(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto count = op.schema().arguments().size();
  const auto* arguments = stack.data() + stack.size() - count;
  const auto& x = arguments[0].toTensor();
  const bool by_tangent = is_by_tangent(arguments[1]);
  auto y = count > kForward ? arguments[kForward].toTensor() : new_like(x);
  const auto* from = x.const_data_ptr<float>();
  auto* to = y.mutable_data_ptr<float>();
  over(x, [&](int64_t some, int64_t at) { values(by_tangent, some, from + at, to + at); });
  give(stack, count, std::move(y));
}

// -> (y, dy/dx), the latter in x's memory where nobody else reads that
void forward_with_slopes(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const bool by_tangent = is_by_tangent(stack.back());
  stack.pop_back();
  const auto& x = stack.back().toTensor();
  auto y = new_like(x), slopes = is_sole(x) ? x : new_like(x);
  const auto* from = x.const_data_ptr<float>();
  auto *to = y.mutable_data_ptr<float>(), *to_slopes = slopes.mutable_data_ptr<float>();
  over(x, [&](int64_t some, int64_t at) { points(by_tangent, some, from + at, to + at, to_slopes + at); });
  give(stack, 1, std::move(y), std::move(slopes));
}

// aten::gelu_backward(dL/dy, x, approximate) -> dL/dx, or with one more argument, where that is to stand. With slopes: in x's place.
constexpr size_t kBackward = 3;
template <bool kHasSlopes>
void backward(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto count = op.schema().arguments().size();
  const auto* arguments = stack.data() + stack.size() - count;
  const auto& dy = arguments[0].toTensor();
  const bool by_tangent = !kHasSlopes && is_by_tangent(arguments[2]);
  auto dx = count > kBackward ? arguments[kBackward].toTensor() : new_like(dy);
  const auto *from = dy.const_data_ptr<float>(), *other = arguments[1].toTensor().const_data_ptr<float>();
  auto* to = dx.mutable_data_ptr<float>();
  over(dy, [&](int64_t some, int64_t at) { kHasSlopes ? gradients(some, from + at, other + at, to + at) : gradients(by_tangent, some, from + at, other + at, to + at); });
  give(stack, count, std::move(dx));
}

class Replacement {
 public:
  Replacement(Program& program, const Layouts& layouts) : program_(program), layouts_(layouts), users_(users_of_registers(program)) {}

  void run() {
    for (size_t i = 0; i < program_.instructions.size(); i++) {
      if (suits(i, "aten::gelu", 0)) at(i).kernel = forward;
      if (suits(i, "aten::gelu_backward", 1) && are_alike({layout_of(at(i).inputs[0], layouts_), layout_of(at(i).inputs[1], layouts_)})) at(i).kernel = backward<false>;
    }
    for (size_t i = 0; i < program_.instructions.size(); i++)
      if (at(i).kernel == forward) keep_slopes(i);
  }

 private:
  Program::Instruction& at(size_t i) { return program_.instructions[i]; }
  bool suits(size_t i, const char* name, size_t x) {
    if (at(i).op.operator_name() != c10::OperatorName(name, "") || at(i).outputs.size() != 1 || at(i).inputs.size() != x + 2) return false;
    const auto result = at(i).outputs[0].list || at(i).outputs[0].regs.empty() ? Program::kNone : at(i).outputs[0].regs[0];
    return result >= 0 && at(i).inputs[x + 1].kind == Program::Operand::Kind::constant && are_alike({layout_of(at(i).inputs[x], layouts_), &layouts_[result]});
  }
  // The backward that is all that reads what gelu is taken of again.
  void keep_slopes(size_t i) {
    const auto x = register_of(at(i).inputs[0]);
    if (x <= program_.seed_register() || users_[x].size() != 2) return;  // a slot is somebody else's
    const auto j = users_[x][0] == i ? users_[x][1] : users_[x][0];
    if (j == kNobody || j <= i || at(j).kernel != backward<false> || register_of(at(j).inputs[1]) != x || register_of(at(j).inputs[0]) == x) return;
    if (is_by_tangent(at(i).inputs[1].constant) != is_by_tangent(at(j).inputs[2].constant)) return;
    const auto slopes = static_cast<int32_t>(program_.register_count++);
    at(i).kernel = forward_with_slopes;
    at(i).outputs.push_back({false, {slopes}});
    at(i).reuse = Program::Reuse{at(i).op, 0, /*in_place=*/true};  // x ends here
    at(j).kernel = backward<true>;
    at(j).inputs[1].reg = slopes;
  }

  Program& program_;
  const Layouts& layouts_;
  const std::vector<std::vector<size_t>> users_;  // by register
};

}  // namespace
}  // namespace gelu

void replace_gelus(Program& program, const Layouts& layouts) {
  if (program.backward_obstacle.empty()) gelu::Replacement(program, layouts).run();
}

}  // namespace steppe
