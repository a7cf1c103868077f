#include "embedding.h"

#include <algorithm>
#include <utility>

#include "../loops/parallel.h"
#include "../loops/processors.h"
#include "../loops/strided_rows.h"
#include "../results.h"

namespace steppe {
namespace embedding {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements
constexpr size_t kArguments = 5;     // of the backward, too

STEPPE_LOOPS_BEGIN

STEPPE_FOR_ALL_PROCESSORS
void add_row(int64_t n, const float* __restrict__ from, float* __restrict__ to) {
  for (int64_t i = 0; i < n; i++) to[i] += from[i];
}

STEPPE_LOOPS_END

bool are_in_range(const int64_t* indices, int64_t count, int64_t end) {
  return std::all_of(indices, indices + count, [&](int64_t index) { return index >= 0 && index < end; });
}

// aten::embedding(weight [words, width], indices, padding index, by frequency, sparse) -> [*indices, width]
void forward(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto* arguments = stack.data() + stack.size() - kArguments;
  const auto &weight = arguments[0].toTensor(), &indices = arguments[1].toTensor();
  const auto count = indices.numel(), width = weight.size(1);
  const auto* index = indices.const_data_ptr<int64_t>();
  if (!are_in_range(index, count, weight.size(0))) return op.callBoxed(stack);  // its error
  auto sizes = indices.sizes().vec();
  sizes.push_back(width);
  auto result = new_tensor(sizes);
  const auto* from = weight.const_data_ptr<float>();
  auto* to = result.mutable_data_ptr<float>();
  parallel_for(0, count, kGrain / (width + 1) + 1, [&](int64_t begin, int64_t end) {
    for (auto i = begin; i < end; i++) std::copy_n(from + index[i] * width, width, to + i * width);
  });
  give(stack, kArguments, std::move(result));
}

// aten::embedding_dense_backward(dL/doutput [*indices, width], indices, words, padding index, by frequency) -> dL/dweight
void backward(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto* arguments = stack.data() + stack.size() - kArguments;
  const auto &dy = arguments[0].toTensor(), &indices = arguments[1].toTensor();
  const auto words = arguments[2].toInt(), padding = arguments[3].toInt();
  const auto rows = *StridedRows::of(dy.sizes(), dy.strides());
  const auto* index = indices.const_data_ptr<int64_t>();
  if (!are_in_range(index, rows.count(), words)) return op.callBoxed(stack);
  auto result = new_tensor({words, rows.length});
  const auto* from = dy.const_data_ptr<float>();
  auto* to = result.mutable_data_ptr<float>();
  // Each thread has columns, and adds the rows in their order.
  parallel_for(0, rows.length, kGrain / (rows.count() + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < words; i++) std::fill_n(to + i * rows.length + begin, end - begin, 0.0f);
    for (int64_t i = 0; i < rows.count(); i++)
      if (index[i] != padding) add_row(end - begin, from + rows.offset(i) + begin, to + index[i] * rows.length + begin);
  });
  give(stack, kArguments, std::move(result));
}

}  // namespace
}  // namespace embedding

void replace_embeddings(Program& program, const Layouts& layouts) {
  const auto is_constant = [](const Program::Operand& operand) { return operand.kind == Program::Operand::Kind::constant; };
  for (auto& instruction : program.instructions) {
    const auto& inputs = instruction.inputs;
    if (inputs.size() != embedding::kArguments || !is_constant(inputs[3]) || !is_constant(inputs[4])) continue;
    const auto *x = layout_of(inputs[0], layouts), *indices = layout_of(inputs[1], layouts);
    if (x == nullptr || indices == nullptr || x->dtype != at::kFloat || !x->strided || indices->dtype != at::kLong || !is_contiguous(*indices)) continue;
    const auto& name = instruction.op.schema().name();
    if (name == "aten::embedding" && is_contiguous(*x)) instruction.kernel = embedding::forward;
    const bool fits = StridedRows::of(x->sizes, x->strides).has_value() && indices->sizes.size() + 1 == x->sizes.size();
    if (name == "aten::embedding_dense_backward" && fits && is_constant(inputs[2]) && !inputs[4].constant.toBool()) instruction.kernel = embedding::backward;
  }
}

}  // namespace steppe
