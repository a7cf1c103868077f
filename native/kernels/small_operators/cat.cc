#include "cat.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "../loops/parallel.h"
#include "../loops/strided_rows.h"
#include "../results.h"

namespace steppe {
namespace cats {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements

// A tensor's rows, of which each stands in one piece where tensors are put behind each other along a dimension.
std::optional<StridedRows> rows_behind_each_other(at::IntArrayRef sizes, at::IntArrayRef strides, int64_t dimension) {
  int64_t length = 1;
  auto d = static_cast<int64_t>(sizes.size());
  for (; d > dimension; d--) {
    if (sizes[d - 1] != 1 && strides[d - 1] != length) return std::nullopt;
    length *= sizes[d - 1];
  }
  // What is before the dimension: up to two steps.
  StridedRows rows{1, 1, length, 0, 0};
  for (; d > 0; d--) {
    const auto size = sizes[d - 1], step = strides[d - 1];
    if (size == 1) continue;
    if (rows.inner == 1) {
      rows.inner = size;
      rows.inner_step = step;
    } else if (rows.outer == 1 && step == rows.inner * rows.inner_step) {
      rows.inner *= size;
    } else if (rows.outer == 1 || step == rows.outer * rows.outer_step) {
      if (rows.outer == 1) rows.outer_step = step;
      rows.outer *= size;
    } else {
      return std::nullopt;
    }
  }
  return rows;
}

// aten::cat(tensors, dimension)
constexpr size_t kArguments = 2;
void join(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto tensors = stack.end()[-2].toTensorVector();
  const auto& like = tensors[0];
  const auto dimension = c10::maybe_wrap_dim(stack.end()[-1].toInt(), like.dim());
  c10::DimVector sizes(like.sizes());
  sizes[dimension] = 0;
  for (const auto& each : tensors) sizes[dimension] += each.size(dimension);
  auto result = new_tensor(sizes);
  int64_t rows = 1, inner = 1;
  for (int64_t d = 0; d < like.dim(); d++)
    if (d != dimension) (d < dimension ? rows : inner) *= sizes[d];
  struct Source {
    const float* from;
    StridedRows rows;
  };
  c10::SmallVector<Source, 8> sources;
  for (const auto& each : tensors) sources.push_back({each.const_data_ptr<float>(), rows_behind_each_other(each.sizes(), each.strides(), dimension).value()});
  auto* const to = result.mutable_data_ptr<float>();
  const auto length = sizes[dimension] * inner;
  parallel_for(0, rows, kGrain / (length + 1) + 1, [&](int64_t begin, int64_t end) {
    for (auto i = begin; i < end; i++) {
      auto* row = to + i * length;
      for (const auto& [from, source] : sources) row = std::copy_n(from + source.offset(i), source.length, row);
    }
  });
  give(stack, kArguments, std::move(result));
}

bool are_rows(const Program::Instruction& instruction, const Layouts& layouts) {
  const auto& inputs = instruction.inputs;
  const auto result = instruction.outputs[0].regs[0];
  if (result < 0 || inputs.size() != kArguments || inputs[0].kind != Program::Operand::Kind::list || inputs[0].regs.empty() || !inputs[1].constant.isInt()) return false;
  const auto& of_result = layouts[result];
  const auto rank = static_cast<int64_t>(of_result.sizes.size());
  if (of_result.dtype != at::kFloat || !is_new_contiguous(of_result) || rank == 0) return false;
  const auto dimension = c10::maybe_wrap_dim(inputs[1].constant.toInt(), rank);
  return std::ranges::all_of(inputs[0].regs, [&](int32_t reg) {
    if (reg < 0) return false;
    const auto& x = layouts[reg];
    return x.strided && x.dtype == at::kFloat && static_cast<int64_t>(x.sizes.size()) == rank && rows_behind_each_other(x.sizes, x.strides, dimension).has_value();
  });
}

}  // namespace
}  // namespace cats

void replace_cats(Program& program, const Layouts& layouts) {
  for (auto& instruction : program.instructions)
    if (instruction.op.operator_name() == c10::OperatorName("aten::cat", "") && cats::are_rows(instruction, layouts)) instruction.kernel = cats::join;
}

}  // namespace steppe
