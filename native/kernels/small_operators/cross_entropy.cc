#include "cross_entropy.h"

#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/nll_loss_forward.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "../../errors.h"
#include "../../kernel_threads.h"
#include "../../program_passes.h"
#include "../layouts.h"
#include "../results.h"
#include "class_losses_loops.h"
#include "class_losses_rows.h"

namespace steppe {
namespace class_losses {
namespace {

// aten::_log_softmax(x, dimension, half to float), and of aten::nll_loss_forward (targets, weight?, reduction, ignored)
//   -> (log-softmax, loss, targets that count)
constexpr size_t kForward = 7;
void forward(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto* arguments = stack.data() + stack.size() - kForward;
  const auto &x = arguments[0].toTensor(), &targets = arguments[3].toTensor();
  const auto reduction = arguments[5].toInt();
  const Targets t{Rows(x), targets.const_data_ptr<int64_t>(), arguments[6].toInt()};
  if (!t.are_in_range()) {
    HeldKernelThreads::let_go();
    at::nll_loss_forward(at::_log_softmax(x, -1, false), targets, {}, reduction, t.ignored);  // its error
    fail(Code::internal, "LibTorch takes targets that are out of range.");
  }
  auto y = new_tensor(x.sizes());
  const auto* from = x.const_data_ptr<float>();
  auto* to = y.mutable_data_ptr<float>();
  std::vector<float> log_shares(static_cast<size_t>(t.rows.count));
  over(t.rows, [&](int64_t count, int64_t at) {
    log_softmax_rows(count, t.rows.classes, from + at, to + at);
    for (auto i = at / t.rows.classes; count > 0; i++, count--)
      if (t.of_rows[i] != t.ignored) log_shares[i] = to[i * t.rows.classes + t.of_rows[i]];
  });
  auto [loss, counted] = t.loss(reduction, [&](int64_t i) { return log_shares[i]; });
  give(stack, kForward, std::move(y), std::move(loss), std::move(counted));
}

// aten::nll_loss_backward(dL/dloss, log-softmax, targets, weight?, reduction, ignored, targets that count) -> dL/dx, through the log-softmax
constexpr size_t kBackward = 7;
void backward(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto* arguments = stack.data() + stack.size() - kBackward;
  const auto &y = arguments[1].toTensor(), &targets = arguments[2].toTensor();
  const Targets t{Rows(y), targets.const_data_ptr<int64_t>(), arguments[5].toInt()};
  if (!t.are_in_range()) fail(Code::internal, "Targets of a class were changed between a loss and its backward.");
  const float each = gradient_of_each(arguments[0].toTensor(), arguments[4].toInt(), arguments[6].toTensor());
  auto dx = new_tensor(y.sizes());
  const auto* from = y.const_data_ptr<float>();
  auto* to = dx.mutable_data_ptr<float>();
  over(t.rows, [&](int64_t count, int64_t at) { cross_entropy_rows_backward(count, t.rows.classes, each, t.of_rows + at / t.rows.classes, t.ignored, from + at, to + at); });
  give(stack, kBackward, std::move(dx));
}

class Fusion {
 public:
  explicit Fusion(Program& program) : program_(program), users_(users_of_registers(program)), removed_(program.instructions.size()) {}

  void run() {
    for (size_t i = 0; i < program_.instructions.size(); i++) {
      if (is_ours(i, "aten::_log_softmax")) join_forward(i);
      if (is_ours(i, "aten::nll_loss_backward")) join_backward(i);
    }
    size_t i = 0;
    std::erase_if(program_.instructions, [&](const auto&) { return removed_[i++]; });
  }

 private:
  Program::Instruction& at(size_t i) { return program_.instructions[i]; }
  bool is_ours(size_t i, const char* name) { return i < program_.instructions.size() && at(i).kernel != nullptr && at(i).op.schema().name() == name; }
  int32_t result(size_t i) { return at(i).outputs[0].regs[0]; }
  // What comes after i, but for views of anything else than its result.
  size_t next(size_t i) {
    const auto looks_at_result = [&](size_t j) { return std::ranges::count(input_registers(at(j)), result(i)) > 0; };
    auto j = i + 1;
    while (j < program_.instructions.size() && !at(j).views.empty() && !looks_at_result(j)) j++;
    return j;
  }

  void join_forward(size_t i) {
    const auto j = next(i);
    if (!is_ours(j, "aten::nll_loss_forward") || register_of(at(j).inputs[0]) != result(i)) return;
    auto joined = at(i);
    joined.op = c10::Dispatcher::singleton().findSchemaOrThrow("aten::cross_entropy_loss", "");
    joined.kernel = forward;
    joined.inputs.insert(joined.inputs.end(), at(j).inputs.begin() + 1, at(j).inputs.end());
    joined.outputs.insert(joined.outputs.end(), at(j).outputs.begin(), at(j).outputs.end());
    at(j) = std::move(joined);  // where its targets are there
    removed_[i] = true;
  }

  void join_backward(size_t i) {
    const auto j = next(i);
    if (!is_ours(j, "aten::_log_softmax_backward_data") || register_of(at(j).inputs[0]) != result(i) || users_[result(i)].size() != 1) return;
    if (register_of(at(j).inputs[1]) != register_of(at(i).inputs[1])) return;
    at(j).kernel = backward;
    at(j).inputs = at(i).inputs;
    removed_[i] = true;
  }

  Program& program_;
  const std::vector<std::vector<size_t>> users_;  // by register
  std::vector<uint8_t> removed_;
};

}  // namespace
}  // namespace class_losses

void fuse_cross_entropies(Program& program) {
  if (program.backward_obstacle.empty()) class_losses::Fusion(program).run();
}

}  // namespace steppe
