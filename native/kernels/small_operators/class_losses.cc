#include "class_losses.h"

#include <ATen/core/Reduction.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "../loops/parallel.h"
#include "../results.h"
#include "class_losses_loops.h"

namespace steppe {
namespace class_losses {
namespace {

constexpr int64_t kGrain = 1 << 13;      // elements
constexpr int64_t kLeastElements = 64;  // fewer than of any batch worth training on: to the bit as LibTorch has it

struct Rows {
  int64_t count, classes;
  explicit Rows(const at::Tensor& x) : count(x.numel() / std::max<int64_t>(x.size(-1), 1)), classes(x.size(-1)) {}
};

template <class Body>
void over(const Rows& rows, const Body& body) {
  parallel_for(0, rows.count, kGrain / rows.classes + 1, [&](int64_t begin, int64_t end) { body(end - begin, begin * rows.classes); });
}

// aten::_log_softmax(x, dimension, half to float)
constexpr size_t kLogSoftmax = 3;
void log_softmax(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto x = (stack.end() - kLogSoftmax)->toTensor();
  auto y = at::empty(x.sizes(), x.options());
  const auto* from = x.const_data_ptr<float>();
  auto* to = y.mutable_data_ptr<float>();
  const Rows rows(x);
  over(rows, [&](int64_t count, int64_t at) { log_softmax_rows(count, rows.classes, from + at, to + at); });
  give(stack, kLogSoftmax, {y});
}

// aten::_log_softmax_backward_data(dL/dy, y, dimension, dtype) -> dL/dx
constexpr size_t kLogSoftmaxBackward = 4;
void log_softmax_backward(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto* arguments = stack.data() + stack.size() - kLogSoftmaxBackward;
  const auto dy = arguments[0].toTensor(), y = arguments[1].toTensor();
  auto dx = at::empty(y.sizes(), y.options());
  const auto *from = dy.const_data_ptr<float>(), *of_y = y.const_data_ptr<float>();
  auto* to = dx.mutable_data_ptr<float>();
  const Rows rows(y);
  over(rows, [&](int64_t count, int64_t at) { log_softmax_rows_backward(count, rows.classes, from + at, of_y + at, to + at); });
  give(stack, kLogSoftmaxBackward, {dx});
}

// Of each row the index of its class; a row whose index is `ignored` does not count.
struct Targets {
  Rows rows;
  const int64_t* of_rows;
  int64_t ignored;
  bool are_in_range() const {
    return std::all_of(of_rows, of_rows + rows.count, [&](int64_t target) { return target == ignored || (target >= 0 && target < rows.classes); });
  }
};

// aten::nll_loss_forward(y [rows, classes], targets, weight?, reduction, ignored) -> (loss, targets that count)
constexpr size_t kNllLoss = 5;
void nll_loss(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto* arguments = stack.data() + stack.size() - kNllLoss;
  const auto y = arguments[0].toTensor(), targets = arguments[1].toTensor();
  const Targets t{Rows(y), targets.const_data_ptr<int64_t>(), arguments[4].toInt()};
  if (!t.are_in_range()) return op.callBoxed(stack);  // its error
  const auto* from = y.const_data_ptr<float>();
  double sum = 0;
  int64_t count = 0;
  for (int64_t i = 0; i < t.rows.count; i++) {
    if (t.of_rows[i] == t.ignored) continue;
    sum -= from[i * t.rows.classes + t.of_rows[i]];
    count++;
  }
  if (arguments[3].toInt() == at::Reduction::Mean) sum /= static_cast<double>(count);
  auto loss = at::empty({}, y.options()), counted = at::empty({}, y.options());
  *loss.mutable_data_ptr<float>() = static_cast<float>(sum);
  *counted.mutable_data_ptr<float>() = static_cast<float>(count);
  give(stack, kNllLoss, {loss, counted});
}

// aten::nll_loss_backward(dL/dloss, y, targets, weight?, reduction, ignored, targets that count) -> dL/dy
constexpr size_t kNllLossBackward = 7;
void nll_loss_backward(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto* arguments = stack.data() + stack.size() - kNllLossBackward;
  const auto y = arguments[1].toTensor(), targets = arguments[2].toTensor();
  const Targets t{Rows(y), targets.const_data_ptr<int64_t>(), arguments[5].toInt()};
  if (!t.are_in_range()) return op.callBoxed(stack);
  const float d_loss = *arguments[0].toTensor().const_data_ptr<float>(), count = *arguments[6].toTensor().const_data_ptr<float>();
  const float each = arguments[4].toInt() == at::Reduction::Mean ? -d_loss / count : -d_loss;
  auto dy = at::empty(y.sizes(), y.options());
  auto* to = dy.mutable_data_ptr<float>();
  over(t.rows, [&](int64_t count_here, int64_t at) {
    std::fill_n(to + at, count_here * t.rows.classes, 0.0f);
    const auto* here = t.of_rows + at / t.rows.classes;
    for (int64_t i = 0; i < count_here; i++)
      if (here[i] != t.ignored) to[at + i * t.rows.classes + here[i]] = each;
  });
  give(stack, kNllLossBackward, {dy});
}

class Operands {
 public:
  Operands(const Program::Instruction& instruction, const Layouts& layouts) : inputs_(instruction.inputs), layouts_(layouts) {}
  bool is(size_t count) const { return inputs_.size() == count; }
  bool is_scores(size_t i) const {
    const auto* layout = layout_of(inputs_[i], layouts_);
    return layout != nullptr && layout->dtype == at::kFloat && !layout->sizes.empty() && c10::multiply_integers(layout->sizes) >= kLeastElements && is_contiguous(*layout);
  }
  // Scores in two dimensions, and an index of a class for each row of them.
  bool are_rows_and_targets(size_t i) const {
    const auto* targets = layout_of(inputs_[i + 1], layouts_);
    const bool are_targets = targets != nullptr && targets->dtype == at::kLong && targets->sizes.size() == 1 && is_contiguous(*targets);
    return are_targets && is_scores(i) && layout_of(inputs_[i], layouts_)->sizes.size() == 2;
  }
  bool is_nothing(size_t i) const {
    const auto& value = inputs_[i].constant;
    return inputs_[i].kind == Program::Operand::Kind::constant && (value.isNone() || (value.isTensor() && !value.toTensor().defined()));
  }
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
}

}  // namespace steppe
