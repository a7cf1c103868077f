#include "class_losses.h"

#include <ATen/core/Reduction.h>

#include <algorithm>
#include <utility>

#include "../results.h"
#include "class_losses_loops.h"
#include "class_losses_rows.h"
#include "cross_entropy.h"

namespace steppe {
namespace class_losses {
namespace {

constexpr int64_t kLeastElements = 64, kLeastClasses = 10;  // less than of any batch worth training on: to the bit as LibTorch has it

// aten::_log_softmax(x, dimension, half to float)
constexpr size_t kLogSoftmax = 3;
void log_softmax(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto& x = (stack.end() - kLogSoftmax)->toTensor();
  auto y = new_tensor(x.sizes());
  const auto* from = x.const_data_ptr<float>();
  auto* to = y.mutable_data_ptr<float>();
  const Rows rows(x);
  over(rows, [&](int64_t count, int64_t at) { log_softmax_rows(count, rows.classes, from + at, to + at); });
  give(stack, kLogSoftmax, std::move(y));
}

// aten::_log_softmax_backward_data(dL/dy, y, dimension, dtype) -> dL/dx
constexpr size_t kLogSoftmaxBackward = 4;
void log_softmax_backward(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto* arguments = stack.data() + stack.size() - kLogSoftmaxBackward;
  const auto &dy = arguments[0].toTensor(), &y = arguments[1].toTensor();
  auto dx = new_tensor(y.sizes());
  const auto *from = dy.const_data_ptr<float>(), *of_y = y.const_data_ptr<float>();
  auto* to = dx.mutable_data_ptr<float>();
  const Rows rows(y);
  over(rows, [&](int64_t count, int64_t at) { log_softmax_rows_backward(count, rows.classes, from + at, of_y + at, to + at); });
  give(stack, kLogSoftmaxBackward, std::move(dx));
}

// aten::nll_loss_forward(y [rows, classes], targets, weight?, reduction, ignored) -> (loss, targets that count)
constexpr size_t kNllLoss = 5;
void nll_loss(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto* arguments = stack.data() + stack.size() - kNllLoss;
  const auto &y = arguments[0].toTensor(), &targets = arguments[1].toTensor();
  const Targets t{Rows(y), targets.const_data_ptr<int64_t>(), arguments[4].toInt()};
  if (!t.are_in_range()) return op.callBoxed(stack);  // its error
  const auto* from = y.const_data_ptr<float>();
  auto [loss, counted] = t.loss(arguments[3].toInt(), [&](int64_t i) { return from[i * t.rows.classes + t.of_rows[i]]; });
  give(stack, kNllLoss, std::move(loss), std::move(counted));
}

// aten::nll_loss_backward(dL/dloss, y, targets, weight?, reduction, ignored, targets that count) -> dL/dy
constexpr size_t kNllLossBackward = 7;
void nll_loss_backward(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto* arguments = stack.data() + stack.size() - kNllLossBackward;
  const auto &y = arguments[1].toTensor(), &targets = arguments[2].toTensor();
  const Targets t{Rows(y), targets.const_data_ptr<int64_t>(), arguments[5].toInt()};
  if (!t.are_in_range()) return op.callBoxed(stack);
  const float each = gradient_of_each(arguments[0].toTensor(), arguments[4].toInt(), arguments[6].toTensor());
  auto dy = new_tensor(y.sizes());
  auto* to = dy.mutable_data_ptr<float>();
  over(t.rows, [&](int64_t count_here, int64_t at) {
    std::fill_n(to + at, count_here * t.rows.classes, 0.0f);
    const auto* here = t.of_rows + at / t.rows.classes;
    for (int64_t i = 0; i < count_here; i++)
      if (here[i] != t.ignored) to[at + i * t.rows.classes + here[i]] = each;
  });
  give(stack, kNllLossBackward, std::move(dy));
}

class Operands {
 public:
  Operands(const Program::Instruction& instruction, const Layouts& layouts) : inputs_(instruction.inputs), layouts_(layouts) {}
  bool is(size_t count) const { return inputs_.size() == count; }
  bool is_scores(size_t i) const {
    const auto* layout = layout_of(inputs_[i], layouts_);
    return layout != nullptr && layout->dtype == at::kFloat && !layout->sizes.empty() && is_contiguous(*layout) && is_enough(layout->sizes);
  }
  static bool is_enough(const std::vector<int64_t>& sizes) {
    const auto elements = c10::multiply_integers(sizes);
    return elements >= kLeastElements || (elements > 0 && sizes.back() >= kLeastClasses);
  }
  // Scores in two dimensions, and an index of a class for each row of them.
  bool are_rows_and_targets(size_t i) const {
    const auto* targets = layout_of(inputs_[i + 1], layouts_);
    const bool are_targets = targets != nullptr && targets->dtype == at::kLong && targets->sizes.size() == 1 && is_contiguous(*targets);
    return are_targets && is_scores(i) && layout_of(inputs_[i], layouts_)->sizes.size() == 2;
  }
  bool is_nothing(size_t i) const { return steppe::is_nothing(inputs_[i]); }
  bool is_number(size_t i) const {
    const auto* layout = layout_of(inputs_[i], layouts_);
    return layout != nullptr && layout->dtype == at::kFloat && layout->sizes.empty();
  }
  int64_t integer(size_t i) const { return inputs_[i].kind == Program::Operand::Kind::constant && inputs_[i].constant.isInt() ? inputs_[i].constant.toInt() : INT64_MIN; }
  // Of a dimension: the last one.
  bool is_last(size_t i, size_t of) const {
    const auto dimensions = static_cast<int64_t>(layout_of(inputs_[of], layouts_)->sizes.size());
    return integer(i) == -1 || integer(i) == dimensions - 1;
  }
  bool reduces(size_t i) const { return integer(i) == at::Reduction::Mean || integer(i) == at::Reduction::Sum; }

 private:
  const std::vector<Program::Operand>& inputs_;
  const Layouts& layouts_;
};

}  // namespace
}  // namespace class_losses

void replace_class_losses(Program& program, const Layouts& layouts) {
  using namespace class_losses;
  for (auto& instruction : program.instructions) {
    const Operands of(instruction, layouts);
    const auto name = c10::toString(instruction.op.operator_name());
    if (name == "aten::_log_softmax" && of.is(kLogSoftmax)) {
      if (of.is_scores(0) && of.is_last(1, 0)) instruction.kernel = log_softmax;
    } else if (name == "aten::_log_softmax_backward_data" && of.is(kLogSoftmaxBackward)) {
      if (of.is_scores(0) && of.is_scores(1) && of.is_last(2, 1)) instruction.kernel = log_softmax_backward;
    } else if (name == "aten::nll_loss_forward" && of.is(kNllLoss)) {
      if (of.are_rows_and_targets(0) && of.is_nothing(2) && of.reduces(3)) instruction.kernel = nll_loss;
    } else if (name == "aten::nll_loss_backward" && of.is(kNllLossBackward)) {
      if (of.is_number(0) && of.are_rows_and_targets(1) && of.is_nothing(3) && of.reduces(4) && of.is_number(6)) instruction.kernel = nll_loss_backward;
    }
  }
  fuse_cross_entropies(program);
}

}  // namespace steppe
