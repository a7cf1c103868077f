#include "recorder_layout.h"

#include <ATen/Context.h>
#include <ATen/ops/as_strided.h>

#include <algorithm>
#include <string_view>

#include "program_passes.h"

namespace steppe {
namespace {

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) { return std::find(names.begin(), names.end(), name) != names.end(); }

bool has_channels_last(const at::Tensor& tensor) { return tensor.suggest_memory_format() == at::MemoryFormat::ChannelsLast; }

// Four dimensions, of a dtype that oneDNN computes in.
bool is_image(const c10::IValue& value) {
  if (!value.isTensor()) return false;
  const auto& tensor = value.toTensor();
  return tensor.defined() && tensor.dim() == 4 && tensor.is_cpu() && tensor.layout() == at::kStrided && tensor.numel() > 0 &&
         (tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kBFloat16);
}

at::Tensor channels_last(const at::Tensor& tensor) {
  auto result = tensor.contiguous(at::MemoryFormat::ChannelsLast);
  // With one channel, or one pixel, both orders are one: only strides can say which is meant.
  if (!has_channels_last(result) && !result.requires_grad()) {
    const auto c = result.size(1), h = result.size(2), w = result.size(3);
    result = at::as_strided(result, result.sizes(), {c * h * w, 1, w * c, c});
  }
  return result;
}

bool is_relaid(const torch::jit::Stack& stack) { return !stack.empty() && is_image(stack[0]) && !stack[0].toTensor().is_contiguous(); }

// Random numbers go to the elements in the order in which these stand in memory.
bool draws_in_order(const OperatorPlan& plan, const torch::jit::Stack& stack) { return is_relaid(stack) && has_channels_last(stack[0].toTensor()) && draws_numbers(plan.handle); }

}  // namespace

bool put_channels_last(const OperatorPlan& plan, torch::jit::Stack& stack) {
  if (!is_one_of(plan.name, {"aten::conv2d", "aten::conv2d.padding", "aten::convolution"}) || !at::globalContext().userEnabledMkldnn()) return false;
  if (stack.size() < 2 || !is_image(stack[0]) || !is_image(stack[1])) return false;
  // LibTorch's convolutions give the channels last where one of the two has them so.
  const bool are_new = !has_channels_last(stack[0].toTensor()) && !has_channels_last(stack[1].toTensor());
  for (const size_t i : {0, 1})
    if (!has_channels_last(stack[i].toTensor())) stack[i] = channels_last(stack[i].toTensor());
  return are_new;
}

void put_channels_back(const OperatorPlan& plan, torch::jit::Stack& stack) {
  if (!is_relaid(stack)) return;
  const bool draws = draws_in_order(plan, stack) && !plan.arguments[0].write;
  // The backward of LibTorch's group norm reads beyond its memory where an image with the channels last wants no gradient.
  const bool suits = !draws && !is_one_of(plan.name, {"aten::view", "aten::view_as", "aten::unflatten.int", "aten::group_norm", "aten::native_group_norm"});
  if (!suits) stack[0] = stack[0].toTensor().contiguous();
}

bool needs_own_order(const OperatorPlan& plan, const torch::jit::Stack& stack) {
  return is_one_of(plan.name, {"aten::as_strided", "aten::as_strided_", "aten::as_strided_copy", "aten::as_strided_scatter"}) ? is_relaid(stack) : draws_in_order(plan, stack) && plan.arguments[0].write;
}

}  // namespace steppe
