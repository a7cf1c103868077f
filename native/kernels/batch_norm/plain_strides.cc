#include "plain_strides.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "../../kernel_threads.h"
#include "../../step_tensors.h"
#include "../transposition.h"

namespace steppe {
namespace {

std::optional<at::MemoryFormat> format_of(const at::Tensor& x) {
  if (x.is_contiguous()) return at::MemoryFormat::Contiguous;
  if (x.dim() == 4 && x.is_contiguous(at::MemoryFormat::ChannelsLast)) return at::MemoryFormat::ChannelsLast;
  return std::nullopt;
}

// That at::empty gives.
std::vector<int64_t> strides_of(at::IntArrayRef sizes, at::MemoryFormat format) {
  const auto dims = static_cast<int64_t>(sizes.size());
  std::vector<int64_t> order;  // from the innermost dimension outwards
  if (format == at::MemoryFormat::ChannelsLast) {
    order = {1, 3, 2, 0};
  } else {
    for (int64_t d = dims - 1; d >= 0; d--) order.push_back(d);
  }
  std::vector<int64_t> strides(sizes.size());
  int64_t stride = 1;
  for (const auto d : order) {
    strides[d] = stride;
    stride *= std::max<int64_t>(sizes[d], 1);
  }
  return strides;
}

at::Tensor straightened(const at::Tensor& x, at::MemoryFormat format) {
  const auto strides = strides_of(x.sizes(), format);
  if (x.strides().equals(strides)) return x;
  if (x.is_contiguous(format)) return view_of(x, x.sizes(), strides, 0);
  auto copy = at::empty(x.sizes(), x.options().memory_format(format));
  copy_values(copy, x);
  return copy;
}

// aten::native_batch_norm_backward(dL/dy, x, …)
void backward(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto first = stack.size() - op.schema().arguments().size();
  const auto x = stack[first + 1].toTensor();
  if (const auto format = x.dim() > 1 && x.numel() > 0 && !x.is_neg() ? format_of(x) : std::nullopt; format.has_value()) {
    stack[first] = straightened(stack[first].toTensor(), *format);
    stack[first + 1] = straightened(x, *format);
  }
  HeldKernelThreads::let_go();
  op.callBoxed(stack);
}

}  // namespace

void straighten_batch_norms(Program& program, const Layouts& layouts) {
  for (auto& instruction : program.instructions) {
    const auto& schema = instruction.op.schema();
    if (instruction.kernel != nullptr || schema.name() != "aten::native_batch_norm_backward" || !schema.overload_name().empty()) continue;
    const auto *dy = layout_of(instruction.inputs[0], layouts), *x = layout_of(instruction.inputs[1], layouts);
    const auto both = [&](const auto& are) { return dy != nullptr && x != nullptr && are(*dy) && are(*x); };
    if (!both(is_new_contiguous) && !both(is_new_channels_last_image)) instruction.kernel = backward;
  }
}

}  // namespace steppe
