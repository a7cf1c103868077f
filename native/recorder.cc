#include "recorder.h"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/List.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones_like.h>
#include <c10/util/Logging.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <utility>

#include "functions.h"
#include "rng.h"

namespace steppe {
namespace {

thread_local std::shared_ptr<Recorder> active;

bool is_batch_norm(const std::string& name) {
  return name.find("batch_norm") != std::string::npos && name.find("backward") == std::string::npos;
}

bool has_side_effects(const c10::OperatorHandle& op) {
  if (op.hasTag(at::Tag::nondeterministic_seeded)) return true;
  for (const auto& argument : op.schema().arguments()) {
    if (argument.alias_info() != nullptr && argument.alias_info()->isWrite()) return true;
  }
  // Batch norm updates its running statistics without saying so in its schema.
  return is_batch_norm(op.schema().name());
}

bool is_mask(const at::Tensor& tensor) {
  return tensor.defined() && (tensor.scalar_type() == at::kBool || tensor.scalar_type() == at::kByte);
}

// index() and its kin have a shape that depends on values only where a mask selects.
bool depends_on_values(const c10::OperatorHandle& op, c10::ArrayRef<const c10::IValue> inputs) {
  if (op.hasTag(at::Tag::data_dependent_output)) return true;
  if (!op.hasTag(at::Tag::dynamic_output_shape)) return false;
  if (op.schema().name() == "aten::index" && inputs.size() > 1 && inputs[1].isList()) {
    for (const auto& index : inputs[1].toListRef())
      if (index.isTensor() && is_mask(index.toTensor())) return true;
    return false;
  }
  return true;
}

std::string readable(const c10::OperatorHandle& op) { return c10::toString(op.operator_name()); }

}  // namespace

struct Recorder::Pending : at::ObserverContext {
  explicit Pending(Program::Instruction instruction) : instruction(std::move(instruction)) {}
  Program::Instruction instruction;
};

Recorder::Key Recorder::key_of(const at::Tensor& tensor) {
  if (!tensor.has_storage()) return {tensor.unsafeGetTensorImpl(), tensor.scalar_type(), 0, false, false, {}, {}};
  return {tensor.unsafeGetTensorImpl()->unsafe_storage().unsafeGetStorageImpl(),
          tensor.scalar_type(),
          tensor.storage_offset(),
          tensor.is_conj(),
          tensor.is_neg(),
          tensor.sizes().vec(),
          tensor.strides().vec()};
}

Recorder::Recorder(Tensors parameters, Tensors buffers, Tensors inputs)
    : parameters_(std::move(parameters)), buffers_(std::move(buffers)), inputs_(std::move(inputs)) {
  program_->parameter_count = parameters_.size();
  program_->buffer_count = buffers_.size();
  program_->input_count = inputs_.size();
  for (const auto* group : {&parameters_, &buffers_, &inputs_})
    for (const auto& tensor : *group) add_slot(tensor);
  program_->register_count++;  // the seed's
  for (const auto& parameter : parameters_) program_->requires_grad.push_back(parameter.requires_grad());
}

Recorder::~Recorder() = default;

void Recorder::add_slot(const at::Tensor& tensor) {
  const auto reg = static_cast<int32_t>(program_->register_count++);
  registers_.try_emplace(key_of(tensor), reg);
  kept_alive_.emplace_back(tensor);
}

Recorder* Recorder::current() { return active.get(); }

std::shared_ptr<Recorder> Recorder::begin(Tensors parameters, Tensors buffers, Tensors inputs) {
  if (active != nullptr) fail(Code::record, "A loss function that is being recorded cannot record another one.");
  auto recorder = std::make_shared<Recorder>(std::move(parameters), std::move(buffers), std::move(inputs));
  // The recording must leave no trace: the step that follows replays the same pass.
  {
    at::NoGradGuard no_grad;
    for (const auto& buffer : recorder->buffers_) recorder->buffer_values_.push_back(buffer.clone());
  }
  for (auto& generator : default_generators(recorder->parameters_)) recorder->generator_states_.emplace_back(generator, generator_state(generator));
  c10::ThreadLocalDebugInfo::_push(c10::DebugInfoKind::PROFILER_STATE, recorder);
  recorder->callback_ = at::addThreadLocalCallback(
      at::RecordFunctionCallback(&Recorder::on_start, &Recorder::on_end).needsInputs(true).needsOutputs(true).scopes({at::RecordScope::FUNCTION}));
  // LibTorch warns of every thousandth block that is freed now and was allocated before: allocations matter here, frees don't.
  recorder->log_level_ = std::exchange(FLAGS_caffe2_log_level, std::max(FLAGS_caffe2_log_level, c10::GLOG_ERROR));
  recorder->watching_ = true;
  active = recorder;
  return recorder;
}

void Recorder::stop() {
  if (!watching_) return;
  watching_ = false;
  const auto keep = active;  // this may be the last reference
  active.reset();
  at::removeCallback(callback_);
  c10::ThreadLocalDebugInfo::_pop(c10::DebugInfoKind::PROFILER_STATE);
  FLAGS_caffe2_log_level = log_level_;
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < buffers_.size(); i++) at::Tensor(buffers_[i]).copy_(buffer_values_[i]);
  for (auto& [generator, state] : generator_states_) set_generator_state(generator, state);
}

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
  const auto add = [&](const at::Tensor& tensor) {
    if (tensor.defined()) keys = keys | tensor.key_set();
  };
  for (const auto& value : inputs) {
    if (value.isTensor()) add(value.toTensor());
    if (value.isList())
      for (const auto& element : value.toListRef())
        if (element.isTensor()) add(element.toTensor());
  }
  const bool on_cuda = keys.has(c10::DispatchKey::CUDA);
  const auto backend = on_cuda ? c10::DispatchKey::CUDA : c10::DispatchKey::CPU;
  if (op.hasKernelForDispatchKey(c10::DispatchKey::CompositeImplicitAutograd) && !op.hasKernelForDispatchKey(backend)) return true;
  const auto autocast = on_cuda ? c10::DispatchKey::AutocastCUDA : c10::DispatchKey::AutocastCPU;
  return at::autocast::is_autocast_enabled(on_cuda ? at::kCUDA : at::kCPU) && op.hasKernelForDispatchKey(autocast) &&
         !c10::impl::tls_is_dispatch_key_excluded(autocast);
}

std::unique_ptr<at::ObserverContext> Recorder::start(const at::RecordFunction& function) {
  if (inside_ > 0 || !obstacle_.empty()) return nullptr;
  const auto name = function.operator_name();
  if (!name.has_value()) return nullptr;
  const auto op = c10::Dispatcher::singleton().findSchema(*name);
  if (!op.has_value() || look_into(*op, function.inputs())) return nullptr;
  if (depends_on_values(*op, function.inputs())) {
    obstacle(readable(*op) + " reads values: its result, or the result's shape, depends on them");
    return nullptr;
  }
  Program::Instruction instruction(*op);
  instruction.grad_mode = at::GradMode::is_enabled();
  instruction.backward = in_backward_;
  for (const auto& value : function.inputs()) instruction.inputs.push_back(operand(value));
  inside_++;
  return std::make_unique<Pending>(std::move(instruction));
}

void Recorder::end(const at::RecordFunction& function, Pending& pending) {
  inside_--;
  auto& instruction = pending.instruction;
  const auto& outputs = function.outputs();
  if (outputs.size() != instruction.op.schema().returns().size()) return;  // it threw
  for (const auto& value : outputs) {
    auto& output = instruction.outputs.emplace_back();
    const auto add = [&](const at::Tensor& tensor) {
      if (!tensor.defined()) return output.regs.push_back(Program::kNone);
      // A register that exists already: the operator changed an argument, or returned one as it was.
      const auto known = reg_of(tensor);
      output.regs.push_back(known == Program::kNone ? new_reg(tensor) : Program::kNone);
      kept_alive_.emplace_back(tensor);
    };
    if (value.isTensor()) {
      add(value.toTensor());
    } else if (value.isList()) {
      output.list = true;
      for (const auto& element : value.toListRef())
        if (element.isTensor()) add(element.toTensor());
    }
  }
  note_buffers(instruction);
  program_->draws |= instruction.op.hasTag(at::Tag::nondeterministic_seeded);
  program_->instructions.push_back(std::move(instruction));
}

int32_t Recorder::reg_of(const at::Tensor& tensor) {
  const auto found = registers_.find(key_of(tensor));
  return found == registers_.end() ? Program::kNone : found->second;
}

int32_t Recorder::new_reg(const at::Tensor& tensor) {
  const auto [entry, fresh] = registers_.try_emplace(key_of(tensor), static_cast<int32_t>(program_->register_count));
  if (fresh) program_->register_count++;
  return entry->second;
}

void Recorder::admit_constant(const at::Tensor& tensor) {
  const bool is_number = tensor.unsafeGetTensorImpl()->is_wrapped_number();
  const void* data = tensor.has_storage() ? tensor.storage().data() : nullptr;
  if (!is_number && data != nullptr && allocated_.contains(data)) {
    obstacle("a tensor was computed by something that is no operator (a custom autograd function, or a kernel's hidden state)");
  }
  kept_alive_.emplace_back(tensor);
}

Program::Operand Recorder::operand(const c10::IValue& value) {
  using Kind = Program::Operand::Kind;
  Program::Operand result;
  if (value.isTensor() && value.toTensor().defined()) {
    const auto& tensor = value.toTensor();
    result.reg = reg_of(tensor);
    kept_alive_.push_back(value);
    if (result.reg != Program::kNone) {
      result.kind = Kind::reg;
      return result;
    }
    admit_constant(tensor);
    result.constant = tensor.variable_data();  // detach() is an operator: it would be recorded
    if (tensor.unsafeGetTensorImpl()->is_wrapped_number()) result.constant = value;
    return result;
  }
  if (value.isTensorList() || value.isOptionalTensorList()) {
    result.kind = value.isTensorList() ? Kind::list : Kind::optional_list;
    for (const auto& element : value.toListRef()) {
      if (!element.isTensor() || !element.toTensor().defined()) {
        result.regs.push_back(Program::kNone);
        continue;
      }
      const auto& tensor = element.toTensor();
      kept_alive_.push_back(element);
      auto reg = reg_of(tensor);
      if (reg == Program::kNone) {
        admit_constant(tensor);
        result.held.push_back(tensor.variable_data());
        reg = -static_cast<int32_t>(result.held.size());
      }
      result.regs.push_back(reg);
    }
    return result;
  }
  result.constant = value;
  return result;
}

// Which buffers the program changes: those that an operator writes to, also through a view of them.
void Recorder::note_buffers(const Program::Instruction& instruction) {
  const auto& arguments = instruction.op.schema().arguments();
  const bool batch_norm = is_batch_norm(instruction.op.schema().name());
  for (size_t i = 0; i < instruction.inputs.size(); i++) {
    const bool written = batch_norm || (arguments[i].alias_info() != nullptr && arguments[i].alias_info()->isWrite());
    if (!written) continue;
    std::vector<int32_t> regs = instruction.inputs[i].regs;
    if (instruction.inputs[i].kind == Program::Operand::Kind::reg) regs.push_back(instruction.inputs[i].reg);
    for (const auto& [key, reg] : registers_) {
      if (std::find(regs.begin(), regs.end(), reg) == regs.end()) continue;
      for (uint32_t b = 0; b < buffers_.size(); b++) {
        auto& changed = program_->changed_buffers;
        if (key.storage == key_of(buffers_[b]).storage && std::find(changed.begin(), changed.end(), b) == changed.end()) changed.push_back(b);
      }
    }
  }
}

void Recorder::obstacle(const std::string& why) {
  if (obstacle_.empty()) obstacle_ = why;
}

std::shared_ptr<Program> Recorder::finish(const at::Tensor& loss, const Tensors& extras) {
  const auto refuse = [&](const std::string& why) {
    stop();
    fail(Code::record, "The loss function cannot be recorded: " + why + ". Pass a closure to optimizer.step() for what cannot be recorded.");
  };
  if (!obstacle_.empty()) refuse(obstacle_);
  if (loss.numel() != 1 || !at::isFloatingType(loss.scalar_type())) refuse("it must return one floating-point number, and returned a tensor of " + std::to_string(loss.numel()) + " elements of dtype " + c10::toString(loss.scalar_type()));
  program_->loss_register = reg_of(loss);
  if (program_->loss_register == Program::kNone) refuse("its result was not computed by operators that were called in it");
  if (!loss.requires_grad()) refuse("its result depends on no parameter that requires gradients");
  Tensors wanted;
  for (const auto& parameter : parameters_)
    if (parameter.requires_grad()) wanted.push_back(parameter);
  for (const auto& extra : extras) {
    program_->extra_registers.push_back(reg_of(extra));
    if (program_->extra_registers.back() == Program::kNone) refuse("a part of its result was not computed by operators that were called in it");
  }
  at::Tensor seed;
  {
    Constants constants;
    inside_++;  // not an operator of the program
    seed = at::ones_like(loss.detach());
    inside_--;
  }
  registers_.try_emplace(key_of(seed), seed_register());
  kept_alive_.emplace_back(seed);
  program_->loss_shape = loss.sizes().vec();
  program_->loss_options = loss.options();
  in_backward_ = true;
  const auto gradients = torch::autograd::grad({loss}, wanted, {seed}, false, false, /*allow_unused=*/true);
  program_->gradient_registers.assign(parameters_.size(), Program::kNone);
  for (size_t i = 0, k = 0; i < parameters_.size(); i++) {
    if (!parameters_[i].requires_grad()) continue;
    const auto& gradient = gradients[k++];
    if (!gradient.defined()) continue;
    program_->gradient_registers[i] = reg_of(gradient);
    if (program_->gradient_registers[i] == Program::kNone) obstacle("a gradient was computed by something that is no operator");
  }
  stop();
  program_->backward_obstacle = obstacle_;
  if (!obstacle_.empty()) std::erase_if(program_->instructions, [](const auto& instruction) { return instruction.backward; });
  drop_dead_code();
  place_last_uses();
  place_turns();
  return program_;
}

namespace {

template <class Visit>
void each_input(const Program::Instruction& instruction, Visit visit) {
  for (const auto& operand : instruction.inputs) {
    if (operand.kind == Program::Operand::Kind::reg) visit(operand.reg);
    for (const auto reg : operand.regs)
      if (reg >= 0) visit(reg);
  }
}

}  // namespace

// Drops operators whose results nobody reads and that change nothing.
void Recorder::drop_dead_code() {
  std::vector<bool> live(program_->register_count);
  live[program_->loss_register] = true;
  for (const auto reg : program_->extra_registers) live[reg] = true;
  if (obstacle_.empty())
    for (const auto reg : program_->gradient_registers)
      if (reg >= 0) live[reg] = true;
  auto& instructions = program_->instructions;
  for (auto it = instructions.rbegin(); it != instructions.rend(); ++it) {
    bool needed = has_side_effects(it->op);
    for (const auto& output : it->outputs)
      for (const auto reg : output.regs) needed |= reg >= 0 && live[reg];
    if (needed) {
      each_input(*it, [&](int32_t reg) { live[reg] = true; });
    } else {
      it->inputs.clear();
      it->outputs.clear();
    }
  }
  std::erase_if(instructions, [](const auto& instruction) { return instruction.outputs.empty() && !has_side_effects(instruction.op); });
}

// Each register is let go of after the instruction that reads it last. Slots and results stay.
void Recorder::place_last_uses() {
  std::vector<bool> keep(program_->register_count);
  for (int32_t i = 0; i <= seed_register(); i++) keep[i] = true;
  keep[program_->loss_register] = true;
  for (const auto reg : program_->extra_registers) keep[reg] = true;
  for (const auto reg : program_->gradient_registers)
    if (reg >= 0) keep[reg] = true;
  for (auto it = program_->instructions.rbegin(); it != program_->instructions.rend(); ++it) {
    const auto release = [&](int32_t reg) {
      if (reg < 0 || keep[reg]) return;
      keep[reg] = true;
      it->last_uses.push_back(reg);
    };
    each_input(*it, release);
    for (const auto& output : it->outputs)
      for (const auto reg : output.regs) release(reg);
  }
}

namespace {

// In training a batch norm's backward takes the running statistics and does not look at them.
bool ignores_buffers(const Program::Instruction& instruction) {
  const auto& schema = instruction.op.schema();
  if (schema.name().find("batch_norm") == std::string::npos || schema.name().find("backward") == std::string::npos) return false;
  for (size_t i = 0; i < instruction.inputs.size(); i++) {
    const auto& name = schema.arguments()[i].name();
    if ((name == "train" || name == "training") && instruction.inputs[i].constant.isBool()) return instruction.inputs[i].constant.toBool();
  }
  return false;
}

}  // namespace

// Numbers the instructions that touch a changed buffer, also through a view; see BufferOrder.
void Recorder::place_turns() {
  if (program_->changed_buffers.empty()) return;
  std::map<int32_t, uint32_t> buffer_of;  // by register
  for (const auto& [key, reg] : registers_)
    for (const auto b : program_->changed_buffers)
      if (key.storage == key_of(buffers_[b]).storage) buffer_of.emplace(reg, b);
  std::map<uint32_t, uint32_t> last_turn;  // by buffer: turns until it is touched no more
  std::vector<std::pair<Program::Instruction*, std::vector<uint32_t>>> touching;
  for (auto& instruction : program_->instructions) {
    if (ignores_buffers(instruction)) continue;
    std::vector<uint32_t> touched;
    each_input(instruction, [&](int32_t reg) {
      if (const auto found = buffer_of.find(reg); found != buffer_of.end()) touched.push_back(found->second);
    });
    if (touched.empty()) continue;
    instruction.turn = static_cast<int32_t>(program_->turn_count++);
    for (const auto b : touched) last_turn[b] = program_->turn_count;
    touching.emplace_back(&instruction, std::move(touched));
  }
  for (auto& [instruction, touched] : touching)
    for (const auto b : touched) instruction->turns_before = std::max(instruction->turns_before, last_turn[b]);
}

void Recorder::before_call(const OperatorPlan& plan, const torch::jit::Stack& stack) {
  if (active == nullptr || !plan.data_dependent) return;
  if (depends_on_values(plan.handle, c10::ArrayRef<const c10::IValue>(stack.data(), stack.size()))) {
    fail(Code::record, "The loss function cannot be recorded: " + plan.name + " was called in it, and its result, or the result's shape, depends on values. Pass a closure to optimizer.step() for what cannot be recorded.");
  }
}

void Recorder::refuse_read(Instance& instance, const std::string& what) {
  if (!instance.recording) return;
  fail(Code::record, "The loss function cannot be recorded: " + what + " was called in it, which reads values. Pass a closure to optimizer.step() for what cannot be recorded.");
}

Recorder::Constants::Constants() {
  if (active != nullptr) active->constants_++;
}
Recorder::Constants::~Constants() {
  if (active != nullptr) active->constants_--;
}

void Recorder::reportMemoryUsage(void* pointer, int64_t size, size_t, size_t, c10::Device) {
  if (size <= 0 || pointer == nullptr) return;
  if (constants_ > 0) {
    allocated_.erase(pointer);
  } else {
    allocated_.insert(pointer);
  }
}

namespace {

// recordBegin(parameters, buffers, inputs)
Napi::Value record_begin(Call& call) {
  Recorder::begin(call.tensors(0, "parameters"), call.tensors(1, "buffers"), call.tensors(2, "inputs"));
  call.instance().recording = true;
  return call.env().Undefined();
}

// recordEnd(loss, extras): { program, draws, obstacle, instructions }
Napi::Value record_end(Call& call) {
  call.instance().recording = false;
  const auto recorder = active;
  if (recorder == nullptr) fail(Code::internal, "No recording is under way.");
  std::shared_ptr<Program> program;
  try {
    program = recorder->finish(call.tensor(0), call.tensors(1, "extras"));
  } catch (...) {
    recorder->stop();
    throw;
  }
  auto result = Napi::Object::New(call.env());
  result["program"] = call.instance().programs.add(program);
  result["draws"] = program->draws;
  result["obstacle"] = program->backward_obstacle;
  result["instructions"] = static_cast<double>(program->instructions.size());
  return result;
}

Napi::Value record_abort(Call& call) {
  call.instance().recording = false;
  if (active != nullptr) active->stop();
  return call.env().Undefined();
}

// programText(program): one line per instruction, to read and to test
Napi::Value program_text(Call& call) {
  const auto program = call.instance().programs.get(static_cast<uint32_t>(call.integer(0, "program")), "program");
  std::string text;
  for (const auto& instruction : program->instructions) {
    text += instruction.backward ? "backward " : "forward  ";
    for (const auto& output : instruction.outputs)
      for (const auto reg : output.regs) text += reg >= 0 ? "%" + std::to_string(reg) + " " : "_ ";
    text += "= " + readable(instruction.op);
    each_input(instruction, [&](int32_t reg) { text += " %" + std::to_string(reg); });
    text += "\n";
  }
  return Napi::String::New(call.env(), text);
}

Napi::Value free_program(Call& call) {
  call.instance().programs.remove(static_cast<uint32_t>(call.integer(0, "program")));
  return call.env().Undefined();
}

}  // namespace

void register_recorder(Napi::Env env, Napi::Object exports) {
  define<record_begin>(env, exports, "recordBegin");
  define<record_end>(env, exports, "recordEnd");
  define<record_abort>(env, exports, "recordAbort");
  define<program_text>(env, exports, "programText");
  define<free_program>(env, exports, "freeProgram");
}

}  // namespace steppe
