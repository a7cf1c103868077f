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
#include "lstm.h"
#include "program_passes.h"
#include "recorder_layout.h"
#include "rng.h"

namespace steppe {
namespace {

thread_local std::shared_ptr<Recorder> active;

[[noreturn]] void refuse(const std::string& why) {
  fail(Code::record, "The loss function cannot be recorded: " + why + ". Pass a closure to optimizer.step() for what cannot be recorded.");
}

bool is_mask(const at::Tensor& tensor) {
  return tensor.defined() && (tensor.scalar_type() == at::kBool || tensor.scalar_type() == at::kByte);
}

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

template <class Visit>
void each_tensor(const c10::IValue& value, Visit visit) {
  if (value.isTensor()) {
    if (value.toTensor().defined()) visit(value.toTensor());
  } else if (value.isList()) {
    for (const auto& element : value.toListRef())
      if (element.isTensor() && element.toTensor().defined()) visit(element.toTensor());
  }
}

std::string readable(const c10::OperatorHandle& op) { return c10::toString(op.operator_name()); }

}  // namespace

struct Recorder::Pending : at::ObserverContext {
  explicit Pending(Program::Instruction instruction) : instruction(std::move(instruction)) {}
  Program::Instruction instruction;
};

const void* Recorder::storage_of(const at::Tensor& tensor) {
  if (!tensor.has_storage()) return tensor.unsafeGetTensorImpl();
  return tensor.unsafeGetTensorImpl()->unsafe_storage().unsafeGetStorageImpl();
}

Recorder::Key Recorder::key_of(const at::Tensor& tensor) {
  if (!tensor.has_storage()) return {storage_of(tensor), tensor.scalar_type(), 0, false, false, {}, {}};
  return {storage_of(tensor), tensor.scalar_type(), tensor.storage_offset(), tensor.is_conj(), tensor.is_neg(), tensor.sizes().vec(), tensor.strides().vec()};
}

Recorder::Recorder(Tensors parameters, Tensors buffers, Tensors inputs)
    : parameters_(std::move(parameters)), buffers_(std::move(buffers)), inputs_(std::move(inputs)), input_values_(inputs_.size()) {
  program_->parameter_count = parameters_.size();
  program_->buffer_count = buffers_.size();
  program_->input_count = inputs_.size();
  for (const auto* group : {&parameters_, &buffers_, &inputs_}) {
    for (const auto& tensor : *group) {
      new_reg(tensor);
      auto& layout = program_->layouts.emplace_back();
      layout.sizes = tensor.sizes().vec();
      layout.strided = tensor.layout() == at::kStrided;
      if (layout.strided) layout.strides = tensor.strides().vec();
    }
  }
  program_->register_count++;  // the seed's
  keys_.emplace_back();
  for (const auto& parameter : parameters_) program_->requires_grad.push_back(parameter.requires_grad());
}

Recorder::~Recorder() = default;

std::shared_ptr<Recorder> Recorder::current() { return active; }

std::shared_ptr<Recorder> Recorder::begin(Tensors parameters, Tensors buffers, Tensors inputs, bool own_order) {
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
  // LibTorch warns of every thousandth block that is freed now and was allocated before.
  recorder->log_level_ = std::exchange(FLAGS_caffe2_log_level, std::max(FLAGS_caffe2_log_level, c10::GLOG_ERROR));
  recorder->watching_ = true;
  recorder->own_order_ = own_order;
  recorder->memory_.emplace();
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
  memory_.reset();
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < buffers_.size(); i++) buffers_[i].copy_(buffer_values_[i]);
  for (size_t i = 0; i < inputs_.size(); i++)
    if (input_values_[i].defined()) inputs_[i].copy_(input_values_[i]);
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
  if (inside_ > 1 || (inside_ > 0 && overwritten_.empty()) || constants_ > 0 || !obstacle_.empty()) return nullptr;
  const auto name = function.operator_name();
  if (!name.has_value()) return nullptr;
  const auto op = c10::Dispatcher::singleton().findSchema(*name);
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
  for (const auto i : written_arguments(*op)) {
    if (i >= function.inputs().size()) continue;
    each_tensor(function.inputs()[i], [&](const at::Tensor& tensor) {
      before_write(tensor, *op);
      overwritten_.push_back(storage_of(tensor));
      unfilled_.erase(storage_of(tensor));
    });
  }
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
  program_->draws |= instruction.op.hasTag(at::Tag::nondeterministic_seeded);
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

int32_t Recorder::reg_of(const at::Tensor& tensor) const {
  const auto found = registers_.find(key_of(tensor));
  return found == registers_.end() ? Program::kNone : found->second;
}

int32_t Recorder::new_reg(const at::Tensor& tensor) {
  reserve_address(tensor);
  const auto reg = static_cast<int32_t>(program_->register_count++);
  keys_.push_back(key_of(tensor));
  registers_.try_emplace(keys_.back(), reg);
  return reg;
}

// A storage (or a tensor without one) that is gone leaves its address to another: it would be taken for the first.
void Recorder::reserve_address(const at::Tensor& tensor) {
  if (!reserved_.insert(storage_of(tensor)).second) return;
  if (tensor.has_storage()) {
    storages_.push_back(tensor.storage().getWeakStorageImpl());
  } else {
    storageless_.emplace_back(tensor.getIntrusivePtr());
  }
}

void Recorder::admit_constant(const at::Tensor& tensor) {
  const bool is_number = tensor.unsafeGetTensorImpl()->is_wrapped_number();
  const void* data = tensor.has_storage() ? tensor.storage().data() : nullptr;
  if (!is_number && data != nullptr && allocated_.contains(data)) {
    obstacle("a tensor was computed by something that is no operator (a custom autograd function, or a kernel's hidden state)");
  }
}

Program::Operand Recorder::operand(const c10::IValue& value) {
  using Kind = Program::Operand::Kind;
  Program::Operand result;
  if (value.isTensor() && value.toTensor().defined()) {
    const auto& tensor = value.toTensor();
    result.reg = reg_of(tensor);
    if (result.reg != Program::kNone) {
      result.kind = Kind::reg;
      return result;
    }
    admit_constant(tensor);
    result.constant = tensor.variable_data();
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
      auto reg = reg_of(element.toTensor());
      if (reg == Program::kNone) {
        admit_constant(element.toTensor());
        result.held.push_back(element.toTensor().variable_data());
        reg = -static_cast<int32_t>(result.held.size());
      }
      result.regs.push_back(reg);
    }
    return result;
  }
  if (value.isGenerator()) {
    const auto generator = value.toGenerator();
    const bool known = std::any_of(generator_states_.begin(), generator_states_.end(), [&](const auto& each) { return each.first == generator; });
    if (!known) obstacle("it draws from a generator of its own, whose state a step cannot put back");
  }
  result.constant = value;
  return result;
}

// Slots that an operator is about to write to, also through a view.
void Recorder::before_write(const at::Tensor& tensor, const c10::OperatorHandle& op) {
  const auto* storage = storage_of(tensor);
  if (copies_.contains(storage) && !in_backward_) obstacle(readable(op) + " changes what would be a view in the user's own order");
  const auto note = [](std::vector<uint32_t>& list, uint32_t i) {
    if (std::find(list.begin(), list.end(), i) == list.end()) list.push_back(i);
  };
  for (const auto& parameter : parameters_)
    if (storage_of(parameter) == storage) obstacle(readable(op) + " changes a parameter in place");
  for (uint32_t b = 0; b < buffers_.size(); b++)
    if (storage_of(buffers_[b]) == storage) note(program_->changed_buffers, b);
  for (uint32_t i = 0; i < inputs_.size(); i++) {
    if (storage_of(inputs_[i]) != storage) continue;
    note(program_->changed_inputs, i);
    if (input_values_[i].defined()) continue;
    at::NoGradGuard no_grad;
    input_values_[i] = inputs_[i].clone();
  }
}

void Recorder::obstacle(const std::string& why) {
  if (obstacle_.empty()) obstacle_ = why;
}

std::shared_ptr<Program> Recorder::finish(const at::Tensor& loss, const Tensors& extras) {
  if (!obstacle_.empty()) refuse(obstacle_);
  if (loss.numel() != 1 || !at::isFloatingType(loss.scalar_type())) {
    refuse("it must return one floating-point number, and returned a tensor of " + std::to_string(loss.numel()) + " elements of dtype " + c10::toString(loss.scalar_type()));
  }
  program_->loss_register = reg_of(loss);
  if (program_->loss_register == Program::kNone) refuse("its result was not computed by operators that were called in it");
  if (!loss.requires_grad()) refuse("its result depends on no parameter that requires gradients");
  for (const auto& extra : extras) {
    program_->extra_registers.push_back(reg_of(extra));
    if (program_->extra_registers.back() == Program::kNone) refuse("a part of its result was not computed by operators that were called in it");
  }
  differentiate(loss);
  stop();
  program_->backward_obstacle = obstacle_;
  if (!obstacle_.empty()) std::erase_if(program_->instructions, [](const auto& instruction) { return instruction.backward; });
  drop_dead_code(*program_);
  replace_lstm_layers(*program_);
  place_last_uses(*program_);
  place_turns(*program_, changed_buffer_of_registers());
  reuse_operands(*program_, [&](int32_t a, int32_t b) {
    return keys_[a].dtype == keys_[b].dtype && keys_[a].sizes == keys_[b].sizes && keys_[a].strides == keys_[b].strides;
  });
  return program_;
}

// By register: the buffer that it is, or looks at, among those that the program changes.
std::vector<std::optional<uint32_t>> Recorder::changed_buffer_of_registers() const {
  std::vector<std::optional<uint32_t>> result(keys_.size());
  for (size_t reg = 0; reg < keys_.size(); reg++)
    for (const auto b : program_->changed_buffers)
      if (keys_[reg].storage == storage_of(buffers_[b])) result[reg] = b;
  return result;
}

void Recorder::differentiate(const at::Tensor& loss) {
  at::Tensor seed;
  {
    Constants not_an_operator;
    seed = at::ones_like(loss.detach());
  }
  reserve_address(seed);
  keys_[program_->seed_register()] = key_of(seed);
  registers_.try_emplace(key_of(seed), program_->seed_register());
  program_->loss_shape = loss.sizes().vec();
  program_->loss_options = loss.options();
  Tensors wanted;
  for (const auto& parameter : parameters_)
    if (parameter.requires_grad()) wanted.push_back(parameter);
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
}

void Recorder::before_call(const OperatorPlan& plan, torch::jit::Stack& stack) {
  if (active == nullptr) return;
  if (!active->own_order_) {
    if (put_channels_last(plan, stack)) active->relaid_ = true;
    if (active->relaid_ && needs_own_order(plan, stack)) active->obstacle(plan.name + " looks at memory in the user's own order");
    if (active->relaid_) put_channels_back(plan, stack);
  }
  for (size_t i = 0; i < plan.arguments.size() && i < stack.size(); i++) {
    if (!plan.arguments[i].write) continue;
    each_tensor(stack[i], [&](const at::Tensor& tensor) {
      for (const auto& parameter : active->parameters_)
        if (storage_of(parameter) == storage_of(tensor)) refuse(plan.name + " was called in it, which changes a parameter in place");
    });
  }
  if (plan.data_dependent && depends_on_values(plan.handle, c10::ArrayRef<const c10::IValue>(stack.data(), stack.size()))) {
    refuse(plan.name + " was called in it, and its result, or the result's shape, depends on values");
  }
}

void Recorder::refuse_read(Instance& instance, const std::string& what) {
  if (instance.recording) refuse(what + " was called in it, which reads values");
}

Recorder::Constants::Constants() {
  if (active != nullptr) active->constants_++;
}
Recorder::Constants::~Constants() {
  if (active != nullptr) active->constants_--;
}

void Recorder::reportMemoryUsage(void* pointer, int64_t size, size_t, size_t, c10::Device) {
  if (pointer == nullptr) return;
  if (size > 0 && constants_ == 0) {
    allocated_.insert(pointer);
  } else {
    allocated_.erase(pointer);
  }
}

}  // namespace steppe
