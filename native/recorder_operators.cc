// What the recorder makes of the operators that LibTorch runs.
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>

#include "program_passes.h"
#include "recorder.h"
#include "recorder_values.h"

namespace steppe {
namespace {

bool is_mask(const at::Tensor& tensor) {
  return tensor.defined() && (tensor.scalar_type() == at::kBool || tensor.scalar_type() == at::kByte);
}

}  // namespace

// index() and its kin have a shape that depends on values only where a mask selects.
bool depends_on_values(const c10::OperatorHandle& op, c10::ArrayRef<const c10::IValue> inputs) {
  if (op.hasTag(at::Tag::data_dependent_output)) return true;
  if (!op.hasTag(at::Tag::dynamic_output_shape)) return false;
  // Its shape comes from the lengths, which here are numbers of the program.
  if (op.operator_name() == c10::OperatorName("aten::_ctc_loss", "")) return false;
  if (op.schema().name() == "aten::index" && inputs.size() > 1 && inputs[1].isList()) {
    for (const auto& index : inputs[1].toListRef())
      if (index.isTensor() && is_mask(index.toTensor())) return true;
    return false;
  }
  return true;
}

struct Recorder::Pending : at::ObserverContext {
  explicit Pending(Program::Instruction instruction) : instruction(std::move(instruction)) {}
  Program::Instruction instruction;
};

std::unique_ptr<at::ObserverContext> Recorder::on_start(const at::RecordFunction& function) {
  auto* recorder = static_cast<Recorder*>(c10::ThreadLocalDebugInfo::get(c10::DebugInfoKind::PROFILER_STATE));
  return recorder == nullptr ? nullptr : recorder->start(function);
}

void Recorder::on_end(const at::RecordFunction& function, at::ObserverContext* context) {
  auto* recorder = static_cast<Recorder*>(c10::ThreadLocalDebugInfo::get(c10::DebugInfoKind::PROFILER_STATE));
  if (recorder != nullptr && context != nullptr) recorder->end(function, *static_cast<Pending*>(context));
}

// A composition of other operators records as those. With autocast on, so does an operator that autocast wraps: its
// casts become instructions, and the replay needs no autocast.
bool Recorder::look_into(const c10::OperatorHandle& op, c10::ArrayRef<const c10::IValue> inputs) const {
  c10::DispatchKeySet keys;
  for (const auto& value : inputs) each_tensor(value, [&](const at::Tensor& tensor) { keys = keys | tensor.key_set(); });
  const bool on_cuda = keys.has(c10::DispatchKey::CUDA);
  const auto backend = on_cuda ? c10::DispatchKey::CUDA : c10::DispatchKey::CPU;
  if (op.hasKernelForDispatchKey(c10::DispatchKey::CompositeImplicitAutograd) && !op.hasKernelForDispatchKey(backend)) return true;
  const auto autocast = on_cuda ? c10::DispatchKey::AutocastCUDA : c10::DispatchKey::AutocastCPU;
  return at::autocast::is_autocast_enabled(on_cuda ? at::kCUDA : at::kCPU) && op.hasKernelForDispatchKey(autocast) &&
         !c10::impl::tls_is_dispatch_key_excluded(autocast);
}

// Autograd's copy of what an operator in place is about to overwrite, for its backward: the one operator inside another
// that is part of the program. It ends, and so is written down, before the outer one.
bool Recorder::saves_overwritten(const c10::OperatorHandle& op, c10::ArrayRef<const c10::IValue> inputs) const {
  return inside_ == 1 && op.operator_name() == c10::OperatorName("aten::clone", "") && inputs[0].isTensor() &&
         std::find(overwritten_.begin(), overwritten_.end(), storage_of(inputs[0].toTensor())) != overwritten_.end();
}

// Memory that LibTorch's own code fills without an operator, as at::tensor() does: in a program it would stay unfilled.
bool Recorder::reads_unfilled(const c10::OperatorHandle& op, c10::ArrayRef<const c10::IValue> inputs) const {
  bool found = false;
  const auto& arguments = op.schema().arguments();
  for (size_t i = 0; i < inputs.size() && !unfilled_.empty(); i++) {
    // What an operator writes to, or looks at in another way, it does not read.
    if (i < arguments.size() && arguments[i].alias_info() != nullptr) continue;
    each_tensor(inputs[i], [&](const at::Tensor& tensor) { found |= tensor.numel() > 0 && unfilled_.contains(storage_of(tensor)); });
  }
  return found && !op.schema().name().ends_with("_like");
}

std::unique_ptr<at::ObserverContext> Recorder::start(const at::RecordFunction& function) {
  if (inside_ > 1 || (inside_ > 0 && overwritten_.empty()) || constants_ > 0) return nullptr;
  const auto name = function.operator_name();
  if (!name.has_value()) return nullptr;
  const auto op = c10::Dispatcher::singleton().findSchema(*name);
  // A tensor over memory that is handed on by itself is for LibTorch's own use (cuDNN looks so whether weights lie as it wants them).
  // It is no register: whoever computes with it is refused.
  if (std::any_of(function.inputs().begin(), function.inputs().end(), [](const c10::IValue& value) { return value.isStorage(); })) return nullptr;
  // What is written is put back, however the recording ends.
  if (!obstacle_.empty()) {
    if (op.has_value() && inside_ == 0) before_writes(*op, function.inputs());
    return nullptr;
  }
  if (!op.has_value() || (inside_ > 0 ? !saves_overwritten(*op, function.inputs()) : look_into(*op, function.inputs()))) return nullptr;
  if (depends_on_values(*op, function.inputs())) {
    obstacle(readable(*op) + " reads values: its result, or the result's shape, depends on them");
    return nullptr;
  }
  if (reads_unfilled(*op, function.inputs())) {
    obstacle(readable(*op) + " was given a tensor that was filled by no operator");
    return nullptr;
  }
  inside_++;
  Program::Instruction instruction(*op);
  instruction.grad_mode = at::GradMode::is_enabled();
  instruction.backward = in_backward_;
  before_writes(*op, function.inputs());
  for (const auto& value : function.inputs()) instruction.inputs.push_back(operand(value));
  return std::make_unique<Pending>(std::move(instruction));
}

void Recorder::end(const at::RecordFunction& function, Pending& pending) {
  if (--inside_ == 0) overwritten_.clear();
  auto& instruction = pending.instruction;
  const auto& outputs = function.outputs();
  if (outputs.size() != instruction.op.schema().returns().size()) return;  // it threw
  for (const auto& value : outputs) {
    auto& output = instruction.outputs.emplace_back();
    const auto add = [&](const c10::IValue& element) {
      // A register that exists already: the operator changed an argument, or returned one as it was.
      const bool known = !element.toTensor().defined() || reg_of(element.toTensor()) != Program::kNone;
      output.regs.push_back(known ? Program::kNone : new_reg(element.toTensor()));
    };
    if (value.isTensor()) {
      add(value);
    } else if (value.isList()) {
      output.list = true;
      for (const auto& element : value.toListRef())
        if (element.isTensor()) add(element);
    }
  }
  // contiguous() and reshape() give a view or a copy, as the order in memory has it.
  if (relaid_ && instruction.op.schema().name() == "aten::clone") copies_.insert(storage_of(outputs[0].toTensor()));
  const auto& name = instruction.op.schema().name();
  if (name.starts_with("aten::empty") || name.starts_with("aten::new_empty")) unfilled_.insert(storage_of(outputs[0].toTensor()));
  instruction.views = as_views(instruction);
  instruction.draws = draws_numbers(instruction.op);
  program_->draws |= instruction.draws;
  for (const auto& value : outputs)
    if (instruction.draws) each_tensor(value, [&](const at::Tensor& tensor) { program_->draws_elsewhere |= !tensor.is_cpu(); });
  program_->instructions.push_back(std::move(instruction));
}

// The instruction's results as views of its operands, if it does no more than to make such.
std::vector<Program::View> Recorder::as_views(const Program::Instruction& instruction) const {
  std::vector<Program::View> views;
  if (has_side_effects(instruction.op)) return views;
  for (const auto& output : instruction.outputs) {
    for (const auto reg : output.regs) {
      if (reg < 0) continue;
      const auto& key = keys_[reg];
      const auto inputs = input_registers(instruction);
      const auto base = std::find_if(inputs.begin(), inputs.end(), [&](int32_t input) {
        const auto& other = keys_[input];
        return other.storage == key.storage && other.dtype == key.dtype && other.conjugated == key.conjugated && other.negated == key.negated;
      });
      if (base == inputs.end()) return {};
      views.push_back({*base, reg, key.sizes, key.strides, key.offset - keys_[*base].offset});
    }
  }
  return views;
}

}  // namespace steppe
