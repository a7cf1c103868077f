#pragma once
#include <ATen/core/stack.h>

#include <algorithm>
#include <utility>

#include "../../kernel_threads.h"
#include "../../step_tensors.h"
#include "lstm_loops.h"
#include "recurrence.h"

// What the two halves of an LSTM's layer share.
namespace steppe::lstm {

// What the forward keeps for the backward, in one tensor [steps, batch, 6 hidden]: gates, and behind those of all rows cells, a row for each sample in
// each time step, of one block of units after the other. Of few samples, whose units threads share, all rows of some units stand together: else a
// thread's processor would ask ahead for lines that another one writes.
class Kept {
 public:
  Kept(const at::Tensor& all, const recurrence::UnitBlocks& blocks)
      : data_(all.mutable_data_ptr<float>()), batch_(all.size(1)), rows_(all.size(0) * batch_), hidden_(blocks.hidden),
        groups_(batch_ < kFew && blocks.size < kGroup ? std::max<int64_t>(1, hidden_ / kGroup) : 1) {}
  // A block's, of which this is the first unit, from a sample in a time step on.
  Rows<float> gates(int64_t unit, int64_t time, int64_t sample) const { return rows<4>(data_, unit, time, sample); }
  Rows<float> cells(int64_t unit, int64_t time, int64_t sample) const { return rows<2>(data_ + 4 * rows_ * hidden_, unit, time, sample); }
  // Behind the last of some units whose blocks stand one after the other in a row.
  int64_t end_of(int64_t unit) const {
    const auto [first, units] = group_of(unit);
    return first + units;
  }

 private:
  static constexpr int64_t kFew = 8, kGroup = 64;
  // The last one takes along what would be less.
  std::pair<int64_t, int64_t> group_of(int64_t unit) const {
    const auto group = std::min(unit / kGroup, groups_ - 1);
    return {group * kGroup, group + 1 < groups_ ? kGroup : hidden_ - group * kGroup};
  }
  template <int64_t kOfUnit>
  Rows<float> rows(float* data, int64_t unit, int64_t time, int64_t sample) const {
    const auto [first, units] = group_of(unit);
    return {data + kOfUnit * (rows_ * first + (batch_ * time + sample) * units + unit - first), kOfUnit * units};
  }
  float* const data_;
  const int64_t batch_, rows_, hidden_, groups_;
};

inline void copy_rows(int64_t rows, int64_t count, Rows<const float> from, Rows<float> to) {
  for (int64_t r = 0; r < rows; r++) std::copy_n(from.data + r * from.step, count, to.data + r * to.step);
}

// Of memory that all parts together have, a part's own [its samples, its units].
inline Rows<float> part_of(float* all, const recurrence::Part& part, int64_t batch) { return {all + batch * part.unit + part.units * part.sample, part.units}; }

// --- Tensors ---

// Of a contiguous x, from its element `offset` on.
inline at::Tensor rows_of(const at::Tensor& x, int64_t rows, int64_t columns, int64_t offset = 0) { return view_of(x, {rows, columns}, {columns, 1}, offset); }

inline at::Tensor transposed(const at::Tensor& x) { return view_of(x, {x.size(1), x.size(0)}, {x.stride(1), x.stride(0)}, 0); }

// A new tensor like x with the values at `from`, or zeros.
inline at::Tensor filled(const at::Tensor& x, const float* from) {
  auto result = new_tensor(x.sizes());
  auto* to = result.mutable_data_ptr<float>();
  if (from == nullptr) {
    std::fill_n(to, x.numel(), 0.0f);
  } else {
    std::copy_n(from, x.numel(), to);
  }
  return result;
}

inline at::Tensor contiguous(const at::Tensor& x) {
  if (x.is_contiguous()) return x;
  HeldKernelThreads::let_go();
  return x.contiguous();
}

// Its contiguous form, or nothing, and its values.
struct Values {
  explicit Values(const at::Tensor& x) : tensor(x.defined() ? contiguous(x) : x), data(x.defined() ? tensor.const_data_ptr<float>() : nullptr) {}
  const at::Tensor tensor;
  const float* const data;
};

inline bool is_plain(const at::Tensor& x) { return x.defined() && x.is_cpu() && x.scalar_type() == at::kFloat && x.layout() == at::kStrided && !x.is_neg(); }

inline at::Tensor tensor_at(const torch::jit::Stack& stack, size_t first, size_t i) { return stack[first + i].isNone() ? at::Tensor() : stack[first + i].toTensor(); }

inline void by_libtorch(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  HeldKernelThreads::let_go();
  op.callBoxed(stack);
}

// The kernels, in the places of LibTorch's.
void forward(const c10::OperatorHandle& op, torch::jit::Stack& stack);
void backward(const c10::OperatorHandle& op, torch::jit::Stack& stack);

}  // namespace steppe::lstm
