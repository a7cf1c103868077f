#include "column_sums.h"

#include <c10/util/SmallVector.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "../loops/parallel.h"
#include "../loops/processors.h"
#include "../results.h"

namespace steppe {
namespace column_sums {
namespace {

constexpr int64_t kBlock = 32;           // rows that are summed in float32; blocks in float64
constexpr int64_t kGrain = 1 << 15;      // elements
constexpr int64_t kLeastElements = 64, kMostElements = 1 << 20;
constexpr int64_t kFewRows = 2;          // whose sum is one rounding, as LibTorch's is
constexpr int64_t kColumns = 64;         // that are summed at a time

STEPPE_LOOPS_BEGIN

// Up to kColumns columns.
STEPPE_FOR_ALL_PROCESSORS
void add_up(int64_t rows, int64_t columns, int64_t step, const float* from, float* to) {
  double all[kColumns] = {};
  for (int64_t first = 0; first < rows; first += kBlock) {
    float sums[kColumns] = {};
    for (int64_t i = first; i < std::min(rows, first + kBlock); i++)
      for (int64_t j = 0; j < columns; j++) sums[j] += from[i * step + j];
    for (int64_t j = 0; j < columns; j++) all[j] += sums[j];
  }
  for (int64_t j = 0; j < columns; j++) to[j] = static_cast<float>(all[j]);
}

STEPPE_LOOPS_END

constexpr size_t kArguments = 4;

// aten::sum.dim_IntList(x, first dimensions, keeps them, dtype?)
void sum(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto* arguments = stack.data() + stack.size() - kArguments;
  const auto& x = arguments[0].toTensor();
  const auto count = arguments[1].toListRef().size();
  const auto rest = x.sizes().slice(count);
  c10::SmallVector<int64_t, 4> sizes(arguments[2].toBool() ? count : 0, 1);
  sizes.append(rest.begin(), rest.end());
  auto result = new_tensor(sizes);
  const auto columns = c10::multiply_integers(rest);
  sum_rows(x.numel() / columns, columns, x.const_data_ptr<float>(), result.mutable_data_ptr<float>());
  give(stack, kArguments, std::move(result));
}

// Not all of them.
bool are_first(std::vector<int64_t> dimensions, int64_t of) {
  for (auto& d : dimensions) d = d < 0 ? d + of : d;
  std::ranges::sort(dimensions);
  std::vector<int64_t> wanted(dimensions.size());
  std::iota(wanted.begin(), wanted.end(), 0);
  return !dimensions.empty() && static_cast<int64_t>(dimensions.size()) < of && dimensions == wanted;
}

}  // namespace
}  // namespace column_sums

void sum_rows(int64_t rows, int64_t columns, const float* from, float* to) {
  using namespace column_sums;
  const auto blocks = (columns + kColumns - 1) / kColumns;
  parallel_for(0, blocks, kGrain / (rows * kColumns + 1) + 1, [&](int64_t begin, int64_t end) {
    for (auto block = begin; block < end; block++) {
      const auto at = block * kColumns;
      add_up(rows, std::min(kColumns, columns - at), columns, from + at, to + at);
    }
  });
}

void replace_column_sums(Program& program, const Layouts& layouts) {
  using namespace column_sums;
  for (auto& instruction : program.instructions) {
    const auto& inputs = instruction.inputs;
    if (instruction.op.operator_name() != c10::OperatorName("aten::sum", "dim_IntList") || inputs.size() != kArguments) continue;
    const auto* x = layout_of(inputs[0], layouts);
    if (x == nullptr || x->dtype != at::kFloat || !is_contiguous(*x) || !inputs[1].constant.isIntList() || !inputs[3].constant.isNone()) continue;
    const auto dimensions = inputs[1].constant.toIntVector();
    if (!are_first(dimensions, static_cast<int64_t>(x->sizes.size()))) continue;
    const auto elements = c10::multiply_integers(x->sizes), columns = c10::multiply_integers(x->sizes.begin() + static_cast<std::ptrdiff_t>(dimensions.size()), x->sizes.end());
    const bool is_tiny = elements < kLeastElements && elements > kFewRows * columns;
    if (elements > 0 && !is_tiny && elements <= kMostElements) instruction.kernel = sum;
  }
}

}  // namespace steppe
