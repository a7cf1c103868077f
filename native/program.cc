#include "program.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/List.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "errors.h"
#include "kernel_threads.h"
#include "kernels/transposition.h"
#include "shared_noise.h"
#include "step_memory.h"
#include "views.h"

namespace steppe {
namespace {

c10::IValue load(const Program::Operand& operand, const Tensors& registers) {
  using Kind = Program::Operand::Kind;
  const auto element = [&](int32_t reg) { return reg >= 0 ? registers[reg] : operand.held[-1 - reg]; };
  switch (operand.kind) {
    case Kind::constant: return operand.constant;
    case Kind::reg: return registers[operand.reg];
    case Kind::list: {
      c10::List<at::Tensor> list;
      list.reserve(operand.regs.size());
      for (const auto reg : operand.regs) list.push_back(reg == Program::kNone ? at::Tensor() : element(reg));
      return list;
    }
    case Kind::optional_list: {
      c10::List<std::optional<at::Tensor>> list;
      list.reserve(operand.regs.size());
      for (const auto reg : operand.regs) list.push_back(reg == Program::kNone ? std::nullopt : std::optional(element(reg)));
      return list;
    }
  }
  return {};
}

void store(const Program::Output& output, c10::IValue& value, Tensors& registers) {
  if (output.list) {
    const auto list = value.toListRef();
    for (size_t i = 0; i < output.regs.size() && i < list.size(); i++) {
      if (output.regs[i] >= 0) registers[output.regs[i]] = list[i].toTensor();
    }
  } else if (!output.regs.empty() && output.regs[0] >= 0) {
    registers[output.regs[0]] = std::move(value).toTensor();
  }
}

// A tensor that lies in memory as the recorded one did.
at::Tensor laid_out(const at::Tensor& tensor, const Program::Layout& layout) {
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
  auto result = at::empty(sizes, options);
  if (!result.is_cpu() || result.scalar_type() != at::kFloat) return result.fill_(1);
  std::fill_n(result.mutable_data_ptr<float>(), result.numel(), 1.0F);
  return result;
}

void check_outputs(const Program::Instruction& instruction, const std::vector<Program::Layout>& expected, const Tensors& registers) {
  for (const auto& output : instruction.outputs) {
    for (const auto reg : output.regs) {
      if (reg < 0) continue;
      const auto& [sizes, strides, strided, dtype] = expected[reg];
      const auto& tensor = registers[reg];
      const bool same = tensor.defined() && tensor.scalar_type() == dtype && tensor.sizes().equals(sizes) && (tensor.layout() != at::kStrided || tensor.strides().equals(strides));
      if (!same) fail(Code::record, c10::toString(instruction.op.operator_name()) + " gave a tensor that lies otherwise in memory than its shape function says.");
    }
  }
}

// Stands for an operator that draws random numbers while layouts are checked: the generators, which the JavaScript thread
// may use at the same time, stay as they are.
void draw_nothing(const Program::Instruction& instruction, const std::vector<Program::Layout>& expected, Tensors& registers) {
  for (const auto& output : instruction.outputs) {
    for (const auto reg : output.regs) {
      if (reg < 0) continue;
      const auto& like = instruction.inputs.empty() || instruction.inputs[0].kind != Program::Operand::Kind::reg ? at::Tensor() : registers[instruction.inputs[0].reg];
      const auto options = like.defined() ? like.options() : at::TensorOptions();
      registers[reg] = at::empty_strided(expected[reg].sizes, expected[reg].strides, options.dtype(expected[reg].dtype)).zero_();
    }
  }
}

}  // namespace

Tensors Program::fill(const Slots& slots, const Tensors& parameters) const {
  const auto &buffers = slots.buffers, &inputs = slots.inputs;
  if (parameters.size() != parameter_count || buffers.size() != buffer_count || inputs.size() != input_count) {
    fail(Code::internal, "A program was given other slots than it was recorded with.");
  }
  Tensors registers(register_count);
  size_t at = 0;
  for (const auto* group : {&parameters, &buffers, &inputs}) {
    for (const auto& tensor : *group) {
      if (!tensor.sizes().equals(layouts[at].sizes)) fail(Code::internal, "A program was given a tensor of another shape than it was recorded with.");
      registers[at] = laid_out(tensor, layouts[at]);
      at++;
    }
  }
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

void Program::replay_below_autograd(Tensors& registers, bool with_backward, const Slots& slots, const std::atomic<bool>& cancelled,
                                    const std::vector<Layout>* expected) const {
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  c10::AutoGradMode restore_afterwards(at::GradMode::is_enabled());
  const auto& turns = slots.turns;
  HeldKernelThreads threads;
  torch::jit::Stack stack;
  for (const auto& instruction : instructions) {
    if (instruction.backward && !with_backward) break;
    if (cancelled.load(std::memory_order_relaxed)) [[unlikely]]
      fail(Code::closed, "The environment is shutting down.");
    if (expected != nullptr && instruction.draws) {
      draw_nothing(instruction, *expected, registers);
    } else if (!instruction.views.empty()) {
      for (const auto& view : instruction.views) registers[view.reg] = view_of(registers[view.base], view.sizes, view.strides, view.offset);
    } else {
      if (at::GradMode::is_enabled() != instruction.grad_mode) at::GradMode::set_enabled(instruction.grad_mode);
      for (const auto& operand : instruction.inputs) stack.push_back(load(operand, registers));
      const auto* op = &instruction.op;
      if (instruction.reuse.has_value()) {
        const auto& [variant, position, in_place] = *instruction.reuse;
        registers[instruction.inputs[position].reg] = at::Tensor();
        if (is_sole(stack[position].toTensor())) {
          op = &variant;
          if (!in_place) stack.push_back(stack[position]);
        }
      }
      std::optional<Turn> turn;
      if (turns.order != nullptr && instruction.turn >= 0) turn.emplace(turns, instruction.turns_before, instruction.takes_turn);
      if (turn.has_value() && !instruction.takes_turn) turn->take();
      if (instruction.kernel != nullptr) {
        take_in_kernel_threads();
        instruction.kernel(*op, stack);
      } else {
        HeldKernelThreads::let_go();
        if (slots.noise != nullptr && instruction.draws) {
          slots.noise->draw([&] { op->callBoxed(stack); });
        } else {
          op->callBoxed(stack);
        }
      }
      if (turn.has_value()) turn->give();
      for (size_t i = 0; i < instruction.outputs.size(); i++) store(instruction.outputs[i], stack[i], registers);
      stack.clear();
      if (expected != nullptr && instruction.kernel == nullptr) check_outputs(instruction, *expected, registers);
    }
    for (const auto reg : instruction.last_uses) registers[reg] = at::Tensor();
  }
}

void Program::replay_under_autograd(Tensors& registers, const std::atomic<bool>& cancelled) const {
  c10::AutoGradMode restore_afterwards(at::GradMode::is_enabled());
  torch::jit::Stack stack;
  for (const auto& instruction : instructions) {
    if (instruction.backward) break;
    if (cancelled.load(std::memory_order_relaxed)) [[unlikely]]
      fail(Code::closed, "The environment is shutting down.");
    at::GradMode::set_enabled(instruction.grad_mode);
    for (const auto& operand : instruction.inputs) stack.push_back(load(operand, registers));
    instruction.op.callBoxed(stack);
    for (size_t i = 0; i < instruction.outputs.size(); i++) store(instruction.outputs[i], stack[i], registers);
    stack.clear();
    for (const auto reg : instruction.last_uses) registers[reg] = at::Tensor();
  }
}

Program::Outcome Program::run(const Slots& slots, const std::atomic<bool>& cancelled) const {
  StepMemory memory;
  if (backward_obstacle.empty()) {
    auto registers = fill(slots, slots.parameters);
    replay_below_autograd(registers, true, slots, cancelled);
    Outcome outcome{registers[loss_register], Tensors(parameter_count), extras(registers)};
    for (size_t i = 0; i < parameter_count; i++) {
      if (gradient_registers[i] >= 0) outcome.gradients[i] = registers[gradient_registers[i]];
    }
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

void Program::check_layouts(const Slots& slots, const std::vector<Layout>& expected, const std::atomic<bool>& cancelled) const {
  StepMemory memory;
  auto registers = fill(slots, slots.parameters);
  replay_below_autograd(registers, backward_obstacle.empty(), slots, cancelled, &expected);
}

Program::Outcome Program::forward(const Slots& slots, const std::atomic<bool>& cancelled) const {
  StepMemory memory;
  auto registers = fill(slots, slots.parameters);
  replay_below_autograd(registers, false, slots, cancelled);
  return {registers[loss_register], {}, extras(registers)};
}

}  // namespace steppe
