#include "replay.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/List.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_strided.h>

#include <algorithm>
#include <utility>

#include "errors.h"
#include "kernel_threads.h"
#include "shared_noise.h"
#include "step_tensors.h"

namespace steppe {
namespace {

constexpr int kSourceBits = 2;

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

c10::IValue value_of(const Program::Operand& operand, const Tensors& registers) {
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

void put(const Program::Output& output, c10::IValue& value, Tensors& registers) {
  if (output.list) {
    const auto list = value.toListRef();
    for (size_t i = 0; i < output.regs.size() && i < list.size(); i++) {
      if (output.regs[i] >= 0) registers[output.regs[i]] = list[i].toTensor();
    }
  } else if (!output.regs.empty() && output.regs[0] >= 0) {
    registers[output.regs[0]] = std::move(value).toTensor();
  }
}

Replay::Replay(const Program& program) {
  instructions_.reserve(program.instructions.size());
  for (const auto& instruction : program.instructions) add(instruction);
}

void Replay::add(const Program::Instruction& instruction) {
  using Kind = Program::Operand::Kind;
  auto& added = instructions_.emplace_back();
  added.kernel = instruction.kernel;
  added.recorded = &instruction;
  added.first_word = static_cast<uint32_t>(words_.size());
  added.is_view = !instruction.views.empty();
  added.has_lists = std::ranges::any_of(instruction.outputs, [](const auto& output) { return output.list; });
  added.may_reuse = instruction.reuse.has_value();
  added.grad_mode = instruction.grad_mode;
  added.backward = instruction.backward;
  added.draws = instruction.draws;
  added.takes_turns = instruction.turn >= 0;
  const auto word = [&](Source source, size_t which) { words_.push_back(static_cast<int32_t>(which << kSourceBits | static_cast<size_t>(source))); };
  auto ends = instruction.last_uses;
  // A register's last reader takes it with it, unless it reads it in two places.
  const auto takes = [&](size_t i) {
    const auto reg = instruction.inputs[i].reg;
    const auto readers = input_registers(instruction);
    return std::ranges::count(readers, reg) == 1 && std::erase(ends, reg) > 0;
  };
  if (!added.is_view) {
    for (size_t i = 0; i < instruction.inputs.size(); i++) {
      const auto& operand = instruction.inputs[i];
      if (operand.kind == Kind::reg) {
        word(takes(i) ? Source::moved : Source::copied, operand.reg);
      } else if (operand.kind == Kind::constant) {
        word(Source::constant, constants_.size());
        constants_.push_back(operand.constant);
      } else {
        word(Source::other, i);
      }
      added.operands++;
    }
    for (const auto& output : instruction.outputs) {
      if (added.has_lists) break;
      words_.push_back(output.regs.empty() ? Program::kNone : output.regs[0]);
      added.results++;
    }
  }
  most_operands_ = std::max<size_t>(most_operands_, added.operands);
  words_.insert(words_.end(), ends.begin(), ends.end());
  added.ends = static_cast<uint16_t>(ends.size());
}

void Replay::run(Tensors& registers, bool with_backward, const Program::Slots& slots, const std::atomic<bool>& cancelled, const std::vector<Program::Layout>* expected) const {
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  bool grad_mode = at::GradMode::is_enabled();
  c10::AutoGradMode restore_afterwards(grad_mode);
  HeldKernelThreads threads;
  torch::jit::Stack stack;
  stack.reserve(most_operands_ + 1);  // one more where a result is to stand
  for (const auto& instruction : instructions_) {
    if (instruction.backward && !with_backward) break;
    if (cancelled.load(std::memory_order_relaxed)) [[unlikely]]
      fail(Code::closed, "The environment is shutting down.");
    if (instruction.is_view) {
      for (const auto& view : instruction.recorded->views) registers[view.reg] = view_of(registers[view.base], view.sizes, view.strides, view.offset);
    } else if (expected != nullptr && instruction.draws) [[unlikely]] {
      draw_nothing(*instruction.recorded, *expected, registers);
      for (const auto reg : instruction.recorded->last_uses) registers[reg].reset();
    } else {
      if (grad_mode != instruction.grad_mode) at::GradMode::set_enabled(grad_mode = instruction.grad_mode);
      compute(instruction, registers, stack, slots);
      if (expected != nullptr && instruction.kernel == nullptr) [[unlikely]]
        check_outputs(*instruction.recorded, *expected, registers);
    }
    const auto* ends = words_.data() + instruction.first_word + instruction.operands + instruction.results;
    for (size_t i = 0; i < instruction.ends; i++) retire(registers[ends[i]]);
  }
}

void Replay::compute(const Instruction& instruction, Tensors& registers, torch::jit::Stack& stack, const Program::Slots& slots) const {
  const auto* words = words_.data() + instruction.first_word;
  for (size_t i = 0; i < instruction.operands; i++) {
    const auto which = words[i] >> kSourceBits;
    switch (static_cast<Source>(words[i] & ((1 << kSourceBits) - 1))) {
      case Source::copied: stack.emplace_back(registers[which]); break;
      case Source::moved: stack.emplace_back(std::move(registers[which])); break;
      case Source::constant: stack.emplace_back(constants_[which]); break;
      case Source::other: stack.emplace_back(value_of(instruction.recorded->inputs[which], registers)); break;
    }
  }
  const auto& recorded = *instruction.recorded;
  const auto* op = &recorded.op;
  if (instruction.may_reuse) {
    const auto& [variant, position, in_place] = *recorded.reuse;
    if (is_sole(stack[position].toTensor())) {
      op = &variant;
      if (!in_place) stack.push_back(stack[position]);
    }
  }
  const auto& turns = slots.turns;
  std::optional<Turn> turn;
  if (instruction.takes_turns && turns.order != nullptr) {
    turn.emplace(turns, recorded.turns_before, recorded.takes_turn);
    if (!recorded.takes_turn) turn->take();
  }
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
  if (instruction.has_lists) {
    for (size_t i = 0; i < recorded.outputs.size(); i++) put(recorded.outputs[i], stack[i], registers);
  } else {
    const auto* results = words + instruction.operands;
    for (size_t i = 0; i < instruction.results; i++) {
      if (results[i] >= 0) {
        registers[results[i]] = std::move(stack[i]).toTensor();
      } else if (stack[i].isTensor()) {
        auto unread = std::move(stack[i]).toTensor();
        retire(unread);
      }
    }
  }
  stack.clear();
}

}  // namespace steppe
