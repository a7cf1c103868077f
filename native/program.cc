#include "program.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/List.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones.h>
#include <torch/csrc/autograd/autograd.h>

#include "errors.h"

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

void store(const Program::Output& output, const c10::IValue& value, Tensors& registers) {
  if (output.list) {
    const auto list = value.toListRef();
    for (size_t i = 0; i < output.regs.size() && i < list.size(); i++) {
      if (output.regs[i] >= 0) registers[output.regs[i]] = list[i].toTensor();
    }
  } else if (!output.regs.empty() && output.regs[0] >= 0) {
    registers[output.regs[0]] = value.toTensor();
  }
}

}  // namespace

Tensors Program::fill(const Slots& slots, const Tensors& parameters) const {
  const auto& [_, buffers, inputs, seed, turns] = slots;
  if (parameters.size() != parameter_count || buffers.size() != buffer_count || inputs.size() != input_count) {
    fail(Code::internal, "A program was given other slots than it was recorded with.");
  }
  Tensors registers(register_count);
  size_t at = 0;
  for (const auto* group : {&parameters, &buffers, &inputs})
    for (const auto& tensor : *group) registers[at++] = tensor;
  registers[at] = seed.defined() ? seed : at::ones(loss_shape, loss_options);
  return registers;
}

Tensors Program::extras(const Tensors& registers) const {
  Tensors result;
  for (const auto reg : extra_registers) result.push_back(registers[reg].detach());
  return result;
}

void Program::replay(Tensors& registers, bool with_backward, const BufferTurns& turns, const std::atomic<bool>& cancelled) const {
  torch::jit::Stack stack;
  c10::AutoGradMode restore_afterwards(at::GradMode::is_enabled());
  for (const auto& instruction : instructions) {
    if (instruction.backward && !with_backward) break;
    if (cancelled.load(std::memory_order_relaxed)) [[unlikely]]
      fail(Code::closed, "The environment is shutting down.");
    if (at::GradMode::is_enabled() != instruction.grad_mode) at::GradMode::set_enabled(instruction.grad_mode);
    for (const auto& operand : instruction.inputs) stack.push_back(load(operand, registers));
    const bool in_turn = turns.order != nullptr && instruction.turn >= 0;
    if (in_turn && !turns.order->wait(turns.run, instruction.turns_before)) fail(Code::closed, "A shard before this one has failed.");
    instruction.op.callBoxed(stack);
    if (in_turn) turns.order->done(turns.run);
    for (size_t i = 0; i < instruction.outputs.size(); i++) store(instruction.outputs[i], stack[i], registers);
    stack.clear();
    for (const auto reg : instruction.last_uses) registers[reg] = at::Tensor();
  }
}

Program::Outcome Program::run(const Slots& slots, const std::atomic<bool>& cancelled) const {
  if (backward_obstacle.empty()) {
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    auto registers = fill(slots, slots.parameters);
    replay(registers, true, slots.turns, cancelled);
    Outcome outcome{registers[loss_register], Tensors(parameter_count), extras(registers)};
    for (size_t i = 0; i < parameter_count; i++) {
      if (gradient_registers[i] >= 0) outcome.gradients[i] = registers[gradient_registers[i]];
    }
    return outcome;
  }
  // The backward holds something that is no operator: replay the forward under autograd and let it do the rest.
  Tensors leaves(parameter_count), wanted;
  for (size_t i = 0; i < parameter_count; i++) {
    leaves[i] = slots.parameters[i].detach();
    if (requires_grad[i]) wanted.push_back(leaves[i].requires_grad_(true));
  }
  auto registers = fill(slots, leaves);
  replay(registers, false, slots.turns, cancelled);
  Outcome outcome{registers[loss_register].detach(), Tensors(parameter_count), extras(registers)};
  const auto seed = registers[parameter_count + buffer_count + input_count];
  const auto gradients = torch::autograd::grad({registers[loss_register]}, wanted, {seed}, false, false, /*allow_unused=*/true);
  for (size_t i = 0, k = 0; i < parameter_count; i++) {
    if (requires_grad[i]) outcome.gradients[i] = gradients[k++];
  }
  return outcome;
}

Program::Outcome Program::forward(const Slots& slots, const std::atomic<bool>& cancelled) const {
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  auto registers = fill(slots, slots.parameters);
  replay(registers, false, slots.turns, cancelled);
  return {registers[loss_register], {}, extras(registers)};
}

}  // namespace steppe
