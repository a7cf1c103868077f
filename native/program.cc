#include "program.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/ones.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <utility>

#include "errors.h"
#include "kernel_threads.h"
#include "kernels/transposition.h"
#include "replay.h"
#include "step_memory.h"
#include "step_tensors.h"

namespace steppe {
namespace {

// A tensor that lies in memory as the recorded one did.
at::Tensor laid_out(at::Tensor tensor, const Program::Layout& layout) {
  if (!layout.strided || tensor.strides().equals(layout.strides)) return tensor;
  auto copy = at::empty_strided(layout.sizes, layout.strides, tensor.options());
  // Along a stride of 0 all values are one.
  auto to = copy, from = tensor;
  for (int64_t d = 0; d < tensor.dim(); d++) {
    if (layout.strides[d] != 0 || layout.sizes[d] < 2) continue;
    to = to.narrow(d, 0, 1);
    from = from.narrow(d, 0, 1);
  }
  copy_values(to, from);
  return copy;
}

// The seed of a backward. Finding LibTorch's kernel takes longer than to write a number.
at::Tensor ones(at::IntArrayRef sizes, const at::TensorOptions& options) {
  const bool is_plain = options.device().is_cpu() && options.layout() == at::kStrided && options.dtype() == at::kFloat;
  if (!is_plain) return at::ones(sizes, options);
  auto result = new_tensor(sizes);
  std::fill_n(result.mutable_data_ptr<float>(), result.numel(), 1.0F);
  return result;
}

}  // namespace

void Program::complete() { replay_ = std::make_shared<Replay>(*this); }

Tensors Program::fill(const Slots& slots, Tensors& parameters) const {
  const auto &buffers = slots.buffers, &inputs = slots.inputs;
  if (parameters.size() != parameter_count || buffers.size() != buffer_count || inputs.size() != input_count) {
    fail(Code::internal, "A program was given other slots than it was recorded with.");
  }
  Tensors registers(register_count);
  size_t at = 0;
  const auto add = [&](at::Tensor tensor) {
    if (!tensor.sizes().equals(layouts[at].sizes)) fail(Code::internal, "A program was given a tensor of another shape than it was recorded with.");
    registers[at] = laid_out(std::move(tensor), layouts[at]);
    at++;
  };
  for (auto& tensor : parameters) add(std::move(tensor));
  for (const auto* group : {&buffers, &inputs})
    for (const auto& tensor : *group) add(tensor);
  for (const auto i : changed_inputs) {
    auto& input = registers[parameter_count + buffer_count + i];
    input = input.clone();
  }
  registers[at] = slots.seed.defined() ? slots.seed : ones(loss_shape, loss_options);
  return registers;
}

Tensors Program::extras(const Tensors& registers) const {
  Tensors result;
  for (const auto reg : extra_registers) result.push_back(registers[reg].detach());
  return result;
}

void Program::replay_under_autograd(Tensors& registers, const std::atomic<bool>& cancelled) const {
  c10::AutoGradMode restore_afterwards(at::GradMode::is_enabled());
  torch::jit::Stack stack;
  for (const auto& instruction : instructions) {
    if (instruction.backward) break;
    if (cancelled.load(std::memory_order_relaxed)) [[unlikely]]
      fail(Code::closed, "The environment is shutting down.");
    at::GradMode::set_enabled(instruction.grad_mode);
    for (const auto& operand : instruction.inputs) stack.push_back(value_of(operand, registers));
    instruction.op.callBoxed(stack);
    for (size_t i = 0; i < instruction.outputs.size(); i++) put(instruction.outputs[i], stack[i], registers);
    stack.clear();
    for (const auto reg : instruction.last_uses) registers[reg] = at::Tensor();
  }
}

Program::Outcome Program::run(Slots slots, const std::atomic<bool>& cancelled) const {
  StepMemory memory;
  if (backward_obstacle.empty()) {
    auto registers = fill(slots, slots.parameters);
    replay_->run(registers, true, slots, cancelled);
    Outcome outcome{registers[loss_register], Tensors(parameter_count), extras(registers)};
    for (size_t i = 0; i < parameter_count; i++) {
      if (gradient_registers[i] >= 0) outcome.gradients[i] = registers[gradient_registers[i]];
    }
    retire(registers);
    return outcome;
  }
  // The backward holds something that is no operator: replay the forward under autograd and let it do the rest.
  HeldKernelThreads::let_go();
  Tensors leaves(parameter_count), wanted;
  for (size_t i = 0; i < parameter_count; i++) {
    leaves[i] = laid_out(slots.parameters[i], layouts[i]).detach();
    if (requires_grad[i]) wanted.push_back(leaves[i].requires_grad_(true));
  }
  auto registers = fill(slots, leaves);
  replay_under_autograd(registers, cancelled);
  Outcome outcome{registers[loss_register].detach(), Tensors(parameter_count), extras(registers)};
  const auto gradients = torch::autograd::grad({registers[loss_register]}, wanted, {registers[seed_register()]}, false, false, /*allow_unused=*/true);
  for (size_t i = 0, k = 0; i < parameter_count; i++) {
    if (requires_grad[i]) outcome.gradients[i] = gradients[k++];
  }
  return outcome;
}

void Program::check_layouts(Slots slots, const std::vector<Layout>& expected, const std::atomic<bool>& cancelled) const {
  StepMemory memory;
  auto registers = fill(slots, slots.parameters);
  replay_->run(registers, backward_obstacle.empty(), slots, cancelled, &expected);
}

Program::Outcome Program::forward(Slots slots, const std::atomic<bool>& cancelled) const {
  StepMemory memory;
  auto registers = fill(slots, slots.parameters);
  replay_->run(registers, false, slots, cancelled);
  return {registers[loss_register], {}, extras(registers)};
}

}  // namespace steppe
