#include "program_passes.h"

#include <algorithm>
#include <map>

namespace steppe {
namespace {

// Batch norm updates its running statistics without saying so in its schema.
bool is_batch_norm(const std::string& name) {
  return name.find("batch_norm") != std::string::npos && name.find("backward") == std::string::npos;
}

std::vector<bool> result_registers(const Program& program) {
  std::vector<bool> results(program.register_count);
  const auto add = [&](int32_t reg) {
    if (reg >= 0) results[reg] = true;
  };
  add(program.loss_register);
  for (const auto reg : program.extra_registers) add(reg);
  if (program.backward_obstacle.empty())
    for (const auto reg : program.gradient_registers) add(reg);
  return results;
}

struct Variant {
  const char *name, *overload;
  bool in_place;
  std::vector<uint32_t> operands;  // that the result may overwrite, the first choice first
};

// Kernels that compute each element from the elements at its own place. Of a backward only the incoming gradient is
// overwritten: oneDNN's kernels allow no more.
const std::map<std::string, Variant>& variants() {
  static const std::map<std::string, Variant> table = {
      {"aten::relu", {"aten::relu_", "", true, {0}}},
      {"aten::add.Tensor", {"aten::add", "out", false, {0, 1}}},
      {"aten::sub.Tensor", {"aten::sub", "out", false, {0, 1}}},
      {"aten::mul.Tensor", {"aten::mul", "out", false, {0, 1}}},
      {"aten::div.Tensor", {"aten::div", "out", false, {0, 1}}},
      {"aten::neg", {"aten::neg", "out", false, {0}}},
      {"aten::exp", {"aten::exp", "out", false, {0}}},
      {"aten::tanh", {"aten::tanh", "out", false, {0}}},
      {"aten::sigmoid", {"aten::sigmoid", "out", false, {0}}},
      {"aten::silu", {"aten::silu", "out", false, {0}}},
      {"aten::gelu", {"aten::gelu", "out", false, {0}}},
      {"aten::leaky_relu", {"aten::leaky_relu", "out", false, {0}}},
      {"aten::threshold_backward", {"aten::threshold_backward", "grad_input", false, {0}}},
      {"aten::tanh_backward", {"aten::tanh_backward", "grad_input", false, {0}}},
      {"aten::sigmoid_backward", {"aten::sigmoid_backward", "grad_input", false, {0}}},
      {"aten::silu_backward", {"aten::silu_backward", "grad_input", false, {0}}},
      {"aten::gelu_backward", {"aten::gelu_backward", "grad_input", false, {0}}},
      {"aten::leaky_relu_backward", {"aten::leaky_relu_backward", "grad_input", false, {0}}},
  };
  return table;
}

// Whether an operand of a batch norm is one of its running statistics.
bool is_statistics(const Program::Instruction& instruction, size_t operand) {
  const auto& schema = instruction.op.schema();
  if (schema.name().find("batch_norm") == std::string::npos || operand >= schema.arguments().size()) return false;
  const auto& name = schema.arguments()[operand].name();
  return name == "running_mean" || name == "running_var";
}

// In training a batch norm's backward takes the running statistics and does not look at them.
bool ignores_statistics(const Program::Instruction& instruction) {
  const auto& schema = instruction.op.schema();
  if (schema.name().find("batch_norm") == std::string::npos || schema.name().find("backward") == std::string::npos) return false;
  for (size_t i = 0; i < schema.arguments().size() && i < instruction.inputs.size(); i++) {
    const auto& name = schema.arguments()[i].name();
    if ((name == "train" || name == "training") && instruction.inputs[i].constant.isBool()) return instruction.inputs[i].constant.toBool();
  }
  return false;
}

// Whether an operator changes where in memory a tensor lies that is there already.
bool moves_tensors(const c10::OperatorHandle& op) { return op.hasTag(at::Tag::inplace_view); }

std::vector<int32_t> registers_of(const Program::Operand& operand) {
  std::vector<int32_t> registers;
  if (operand.kind == Program::Operand::Kind::reg) registers.push_back(operand.reg);
  for (const auto reg : operand.regs)
    if (reg >= 0) registers.push_back(reg);
  return registers;
}

}  // namespace

std::vector<size_t> written_arguments(const c10::OperatorHandle& op) {
  std::vector<size_t> written;
  const auto& arguments = op.schema().arguments();
  const bool batch_norm = is_batch_norm(op.schema().name());
  for (size_t i = 0; i < arguments.size(); i++) {
    const auto* alias = arguments[i].alias_info();
    const bool statistics = batch_norm && (arguments[i].name() == "running_mean" || arguments[i].name() == "running_var");
    if (statistics || (alias != nullptr && alias->isWrite())) written.push_back(i);
  }
  return written;
}

bool draws_numbers(const c10::OperatorHandle& op) {
  // LibTorch's attention kernel on the CPU has no dropout, whatever its tag says.
  return op.hasTag(at::Tag::nondeterministic_seeded) && op.schema().name() != "aten::_scaled_dot_product_flash_attention_for_cpu";
}

bool has_side_effects(const c10::OperatorHandle& op) {
  return draws_numbers(op) || !written_arguments(op).empty();
}

std::vector<int32_t> input_registers(const Program::Instruction& instruction) {
  std::vector<int32_t> registers;
  for (const auto& operand : instruction.inputs)
    for (const auto reg : registers_of(operand)) registers.push_back(reg);
  return registers;
}

std::vector<std::vector<size_t>> users_of_registers(const Program& program) {
  std::vector<std::vector<size_t>> users(program.register_count);
  for (size_t i = 0; i < program.instructions.size(); i++)
    for (const auto reg : input_registers(program.instructions[i])) users[reg].push_back(i);
  const auto results = result_registers(program);
  for (size_t reg = 0; reg < results.size(); reg++)
    if (results[reg]) users[reg].push_back(kNobody);
  return users;
}

void drop_dead_code(Program& program) {
  auto live = result_registers(program);
  std::vector<Program::Instruction> kept;
  for (auto it = program.instructions.rbegin(); it != program.instructions.rend(); ++it) {
    bool needed = has_side_effects(it->op);
    for (const auto& output : it->outputs)
      for (const auto reg : output.regs) needed |= reg >= 0 && live[reg];
    if (!needed) continue;
    for (const auto reg : input_registers(*it)) live[reg] = true;
    kept.push_back(std::move(*it));
  }
  std::reverse(kept.begin(), kept.end());
  program.instructions = std::move(kept);
}

void look_through_views(Program& program) {
  if (!program.backward_obstacle.empty()) return;  // there the operators themselves run
  std::vector<const Program::View*> view_at(program.register_count);
  std::vector<bool> moved(program.register_count);  // in memory, by an operator that changes where a tensor lies
  for (auto& instruction : program.instructions) {
    if (instruction.views.empty() && moves_tensors(instruction.op))
      for (const auto reg : input_registers(instruction)) moved[reg] = true;
    for (auto& view : instruction.views) {
      const auto* under = view_at[view.base];
      if (under == nullptr || moved[under->base] || moved[view.base]) continue;
      // Several views of one operand find it named anew by the first of them.
      const auto operand = std::ranges::find_if(instruction.inputs, [&](const auto& each) {
        return each.kind == Program::Operand::Kind::reg && (each.reg == view.base || each.reg == under->base);
      });
      if (operand == instruction.inputs.end()) continue;
      operand->reg = under->base;
      view.base = under->base;
      view.offset += under->offset;
    }
    for (const auto& view : instruction.views) view_at[view.reg] = &view;
  }
}

void expect_parameters_in_order(Program& program, const std::vector<Program::Layout>& layouts) {
  if (!program.backward_obstacle.empty()) return;  // autograd is to see the copy
  const auto parameters = static_cast<int32_t>(program.parameter_count);
  const auto results = result_registers(program);
  std::vector<int32_t> copy_of(program.register_count, Program::kNone);
  std::vector<const Program::Layout*> order(program.parameter_count);
  std::vector<bool> stays(results.begin(), results.begin() + parameters);  // as it lies, since others look at it
  const auto copied = [&](const Program::Instruction& instruction) {
    if (instruction.op.schema().name() != "aten::clone" || instruction.inputs[0].kind != Program::Operand::Kind::reg) return Program::kNone;
    return instruction.inputs[0].reg < parameters ? instruction.inputs[0].reg : Program::kNone;
  };
  for (const auto& instruction : program.instructions) {
    const auto k = copied(instruction);
    if (k == Program::kNone) {
      for (const auto reg : input_registers(instruction))
        if (reg < parameters) stays[reg] = true;
      continue;
    }
    const auto copy = instruction.outputs[0].regs[0];
    if (copy < 0 || results[copy] || !layouts[copy].strided || (order[k] != nullptr && order[k]->strides != layouts[copy].strides)) {
      stays[k] = true;
    } else {
      copy_of[copy] = k;
      order[k] = &layouts[copy];
    }
  }
  // Neither may anything write to the copy, nor look at its memory in another way.
  for (const auto& instruction : program.instructions) {
    const auto& arguments = instruction.op.schema().arguments();
    const auto written = written_arguments(instruction.op);
    for (size_t i = 0; i < instruction.inputs.size(); i++) {
      const bool aliases = !instruction.views.empty() || i >= arguments.size() || arguments[i].alias_info() != nullptr ||
                           std::find(written.begin(), written.end(), i) != written.end();
      const auto& operand = instruction.inputs[i];
      if (operand.kind == Program::Operand::Kind::reg && copy_of[operand.reg] >= 0 && aliases) stays[copy_of[operand.reg]] = true;
      for (const auto reg : operand.regs)
        if (reg >= 0 && copy_of[reg] >= 0) stays[copy_of[reg]] = true;
    }
  }
  std::erase_if(program.instructions, [&](const auto& instruction) {
    const auto k = copied(instruction);
    return k != Program::kNone && !stays[k];
  });
  for (auto& instruction : program.instructions)
    for (auto& operand : instruction.inputs)
      if (operand.kind == Program::Operand::Kind::reg && copy_of[operand.reg] >= 0 && !stays[copy_of[operand.reg]]) operand.reg = copy_of[operand.reg];
  for (size_t k = 0; k < program.parameter_count; k++)
    if (order[k] != nullptr && !stays[k]) program.layouts[k].strides = order[k]->strides;
}

void place_last_uses(Program& program) {
  auto keep = result_registers(program);
  const auto parameters = static_cast<int32_t>(program.parameter_count);
  std::fill_n(keep.begin() + parameters, program.seed_register() + 1 - parameters, true);
  for (auto it = program.instructions.rbegin(); it != program.instructions.rend(); ++it) {
    const auto release = [&](int32_t reg) {
      if (reg < 0 || keep[reg]) return;
      keep[reg] = true;
      it->last_uses.push_back(reg);
    };
    for (const auto reg : input_registers(*it)) release(reg);
    for (const auto& output : it->outputs)
      for (const auto reg : output.regs) release(reg);
  }
}

void reuse_operands(Program& program, const std::function<bool(int32_t, int32_t)>& alike) {
  for (auto& instruction : program.instructions) {
    const auto ends = [&](uint32_t position) {
      const auto& operand = instruction.inputs[position];
      return operand.kind == Program::Operand::Kind::reg && std::ranges::count(instruction.last_uses, operand.reg) > 0;
    };
    if (instruction.reuse.has_value()) {  // as a kernel of our own wants it
      if (!ends(instruction.reuse->operand)) instruction.reuse.reset();
      continue;
    }
    const auto found = variants().find(c10::toString(instruction.op.operator_name()));
    if (found == variants().end() || instruction.outputs.size() != 1) continue;
    const auto& [name, overload, in_place, operands] = found->second;
    const auto result = instruction.outputs[0].regs.at(0);
    for (const auto position : operands) {
      if (!ends(position) || result < 0 || !alike(instruction.inputs[position].reg, result)) continue;
      const auto variant = c10::Dispatcher::singleton().findSchema({name, overload});
      if (variant.has_value()) instruction.reuse = Program::Reuse{*variant, position, in_place};
      break;
    }
  }
}

void place_turns(Program& program, const std::vector<std::optional<uint32_t>>& buffer_of) {
  constexpr uint32_t kGenerator = UINT32_MAX;
  std::map<uint32_t, uint32_t> last_turn;  // by buffer, and of the generator: turns until it is touched no more
  std::vector<Program::Instruction*> touching;
  for (auto& instruction : program.instructions) {
    if (!instruction.views.empty()) continue;
    std::vector<uint32_t> touched;
    if (instruction.draws && !program.draws_elsewhere) touched.push_back(kGenerator);
    for (size_t i = 0; i < instruction.inputs.size(); i++) {
      const bool statistics = is_statistics(instruction, i);
      if (statistics && ignores_statistics(instruction)) continue;
      for (const auto reg : registers_of(instruction.inputs[i])) {
        if (!buffer_of[reg].has_value()) continue;
        touched.push_back(*buffer_of[reg]);
        if (!statistics) instruction.takes_turn = false;  // another run may change this one before the kernel's turn, or after it
      }
    }
    if (touched.empty()) continue;
    instruction.turn = static_cast<int32_t>(program.turns.size());
    program.turns.push_back(std::move(touched));
    for (const auto b : program.turns.back()) last_turn[b] = static_cast<uint32_t>(program.turns.size());
    touching.push_back(&instruction);
  }
  for (auto* instruction : touching)
    for (const auto b : program.turns[instruction->turn]) instruction->turns_before = std::max(instruction->turns_before, last_turn[b]);
}

}  // namespace steppe
