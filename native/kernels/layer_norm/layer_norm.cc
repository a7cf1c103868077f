#include "layer_norm.h"

#include <algorithm>
#include <utility>

#include "../loops/parallel.h"
#include "../loops/scratch.h"
#include "../results.h"
#include "../small_operators/column_sums.h"
#include "layer_norm_loops.h"

namespace steppe {
namespace layer_norm {
namespace {

constexpr int64_t kLeastElements = 512;  // fewer than of any batch worth training on: to the bit as LibTorch has it
constexpr int64_t kGrain = 1 << 13;      // elements for a thread
constexpr int64_t kPieces = 32;          // of rows, at most, whose sums are taken apart
constexpr int64_t kLeastRows = 8;        // of a piece

struct Rows {
  int64_t count, columns;
  Rows(const at::Tensor& x, int64_t normalized) : count(1), columns(1) {
    const auto first = x.dim() - normalized;
    for (int64_t d = 0; d < x.dim(); d++) (d < first ? count : columns) *= x.size(d);
  }
};

const float* data_of(const c10::IValue& value) { return is_nothing(value) ? nullptr : value.toTensor().const_data_ptr<float>(); }

// aten::native_layer_norm(x, normalized shape, weight?, bias?, eps) -> (y, mean, 1/√(variance + eps))
constexpr size_t kForward = 5;
void forward(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto* arguments = stack.data() + stack.size() - kForward;
  const auto& x = arguments[0].toTensor();
  const auto normalized = static_cast<int64_t>(arguments[1].toIntList().size());
  const auto eps = arguments[4].toDouble();
  const Rows rows(x, normalized);
  c10::DimVector of_rows(x.sizes());
  std::fill(of_rows.end() - normalized, of_rows.end(), 1);
  auto y = new_tensor(x.sizes()), mean = new_tensor(of_rows), rstd = new_tensor(of_rows);
  const Affine affine{data_of(arguments[2]), data_of(arguments[3])};
  const auto* from = x.const_data_ptr<float>();
  auto *to = y.mutable_data_ptr<float>(), *means = mean.mutable_data_ptr<float>(), *rstds = rstd.mutable_data_ptr<float>();
  parallel_for(0, rows.count, kGrain / rows.columns + 1, [&](int64_t begin, int64_t end) {
    const auto at = begin * rows.columns;
    normalize_rows(end - begin, rows.columns, eps, from + at, affine, to + at, means + begin, rstds + begin);
  });
  give(stack, kForward, std::move(y), std::move(mean), std::move(rstd));
}

// aten::native_layer_norm_backward(dL/dy, x, normalized shape, mean, rstd, weight?, bias?, which) -> (dL/dx?, dL/dweight?, dL/dbias?)
constexpr size_t kBackward = 8;
void backward(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto* arguments = stack.data() + stack.size() - kBackward;
  const auto &dy = arguments[0].toTensor(), &x = arguments[1].toTensor(), &mean = arguments[3].toTensor(), &rstd = arguments[4].toTensor();
  const auto normalized = static_cast<int64_t>(arguments[2].toIntList().size());
  const Rows rows(x, normalized);
  const auto which = arguments[7].toBoolList();
  const auto* weight = data_of(arguments[5]);
  const auto sizes = x.sizes().slice(x.dim() - normalized);
  auto dx = which[0] ? new_tensor(x.sizes()) : at::Tensor(), d_weight = which[1] ? new_tensor(sizes) : at::Tensor(), d_bias = which[2] ? new_tensor(sizes) : at::Tensor();
  // Of each piece of rows the sums that the weight's gradient is made of, and behind those of all of them the bias's.
  const auto pieces = std::clamp<int64_t>(rows.count / kLeastRows, 1, kPieces), columns = rows.columns, of_weight = which[1] ? pieces * columns : 0, of_bias = which[2] ? pieces * columns : 0;
  CallMemory memory(of_weight + of_bias);
  auto *weight_sums = memory.take(of_weight), *bias_sums = memory.take(of_bias);
  const auto *from = dy.const_data_ptr<float>(), *of_x = x.const_data_ptr<float>(), *means = mean.const_data_ptr<float>(), *rstds = rstd.const_data_ptr<float>();
  auto* to = which[0] ? dx.mutable_data_ptr<float>() : nullptr;
  const auto part = [&](float* all, int64_t at) { return all == nullptr ? nullptr : all + at; };
  const auto zeros = [&](float* all, int64_t piece) {
    if (all != nullptr) std::fill_n(all + piece * columns, columns, 0.0f);
    return part(all, piece * columns);
  };
  parallel_for(0, pieces, kGrain * pieces / (rows.count * columns) + 1, [&](int64_t begin, int64_t end) {
    for (auto piece = begin; piece < end; piece++) {
      const auto first = rows.count * piece / pieces, last = rows.count * (piece + 1) / pieces, at = first * columns;
      backward_rows(last - first, columns, from + at, of_x + at, means + first, rstds + first, weight, part(to, at), zeros(weight_sums, piece), zeros(bias_sums, piece));
    }
  });
  if (which[1]) sum_rows(pieces, columns, weight_sums, d_weight.mutable_data_ptr<float>());
  if (which[2]) sum_rows(pieces, columns, bias_sums, d_bias.mutable_data_ptr<float>());
  give(stack, kBackward, std::move(dx), std::move(d_weight), std::move(d_bias));
}

// --- Which layer norms ---

class Operands {
 public:
  Operands(const Program::Instruction& instruction, const Layouts& layouts) : inputs_(instruction.inputs), layouts_(layouts) {}
  const Program::Layout* at(size_t i) const {
    const auto* layout = layout_of(inputs_[i], layouts_);
    return layout != nullptr && layout->dtype == at::kFloat && is_contiguous(*layout) ? layout : nullptr;
  }
  bool is_nothing_or_row(size_t i) const { return is_nothing(inputs_[i]) || at(i) != nullptr; }
  bool is_constant(size_t i) const { return inputs_[i].kind == Program::Operand::Kind::constant; }
  // Rows that are worth it.
  bool are_rows(size_t i, size_t normalized) const {
    const auto* x = at(i);
    return x != nullptr && c10::multiply_integers(x->sizes) >= kLeastElements && is_constant(normalized) && inputs_[normalized].constant.isIntList() &&
           inputs_[normalized].constant.toIntList().size() <= x->sizes.size() && !inputs_[normalized].constant.toIntList().empty();
  }

 private:
  const std::vector<Program::Operand>& inputs_;
  const Layouts& layouts_;
};

decltype(Program::Instruction::kernel) kernel_for(const Program::Instruction& instruction, const Layouts& layouts) {
  const Operands of(instruction, layouts);
  const auto& name = instruction.op.schema().name();
  if (name == "aten::native_layer_norm") return of.are_rows(0, 1) && of.is_nothing_or_row(2) && of.is_nothing_or_row(3) && of.is_constant(4) ? forward : nullptr;
  if (name != "aten::native_layer_norm_backward" || !of.is_constant(7) || !of.are_rows(1, 2)) return nullptr;
  return of.at(0) != nullptr && of.at(3) != nullptr && of.at(4) != nullptr && of.is_nothing_or_row(5) ? backward : nullptr;
}

}  // namespace
}  // namespace layer_norm

void replace_layer_norms(Program& program, const Layouts& layouts) {
  for (auto& instruction : program.instructions)
    if (const auto kernel = layer_norm::kernel_for(instruction, layouts)) instruction.kernel = kernel;
}

}  // namespace steppe
