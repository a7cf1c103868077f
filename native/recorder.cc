#include "recorder.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones_like.h>
#include <c10/core/AutogradState.h>
#include <c10/util/Logging.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "functions.h"
#include "kernels/recurrent/lstm.h"
#include "kernels/replacements.h"
#include "program_passes.h"
#include "recorder_layout.h"
#include "recorder_values.h"
#include "rng.h"

namespace steppe {
namespace {

thread_local std::shared_ptr<Recorder> active;

[[noreturn]] void refuse(const std::string& why) {
  fail(Code::record, "The loss function cannot be recorded: " + why + ". Pass a closure to optimizer.step() for what cannot be recorded.");
}

// The values of before. To autograd, which refuses tensors that changed after it saved them, nothing happens.
void put_back(at::Tensor& tensor, const at::Tensor& values) {
  if (tensor.is_inference()) {
    tensor.copy_(values);
    return;
  }
  auto counter = tensor.unsafeGetTensorImpl()->version_counter();
  const auto version = counter.current_version();
  tensor.copy_(values);
  counter.set_version(version);
}

}  // namespace

// LibTorch warns of every thousandth block that is freed during a recording and was allocated before.
struct Recorder::Quiet {
  Quiet() {
    std::lock_guard lock(mutex);
    if (alive++ == 0) level = std::exchange(FLAGS_caffe2_log_level, std::max(FLAGS_caffe2_log_level, c10::GLOG_ERROR));
  }
  ~Quiet() {
    std::lock_guard lock(mutex);
    if (--alive == 0) FLAGS_caffe2_log_level = level;
  }

  static inline std::mutex mutex;
  static inline int alive = 0, level = 0;
};

Recorder::Recorder(Tensors parameters, Tensors buffers, Tensors inputs)
    : parameters_(std::move(parameters)), buffers_(std::move(buffers)), inputs_(std::move(inputs)), input_values_(inputs_.size()) {
  program_->parameter_count = parameters_.size();
  program_->buffer_count = buffers_.size();
  program_->input_count = inputs_.size();
  for (const auto* group : {&parameters_, &buffers_, &inputs_}) {
    for (const auto& tensor : *group) {
      new_reg(tensor);
      program_->layouts.push_back(Program::Layout::of(tensor));
    }
  }
  program_->register_count++;  // the seed's
  keys_.emplace_back();
  for (const auto& parameter : parameters_) program_->requires_grad.push_back(parameter.requires_grad());
}

Recorder::~Recorder() = default;

std::shared_ptr<Recorder> Recorder::current() { return active; }

std::shared_ptr<Recorder> Recorder::begin(Tensors parameters, Tensors buffers, Tensors inputs, Options options) {
  if (active != nullptr) fail(Code::record, "A loss function that is being recorded cannot record another one.");
  auto recorder = std::make_shared<Recorder>(std::move(parameters), std::move(buffers), std::move(inputs));
  // The recording must leave no trace: the step that follows replays the same pass.
  {
    at::NoGradGuard no_grad;
    for (const auto& buffer : recorder->buffers_) recorder->buffer_values_.push_back(buffer.clone());
  }
  for (auto& generator : default_generators(recorder->parameters_)) recorder->generator_states_.emplace_back(generator, generator_state(generator));
  recorder->own_order_ = options.own_order;
  recorder->shapes_from_ = recorder->on_cpu_ && ShapesOnly::available() ? options.shapes_from : 0;
  recorder->enter_thread();
  if (!recorder->computed()) recorder->shapes_only_.emplace(recorder->shapes_from_);
  return recorder;
}

void Recorder::enter_thread() {
  active = shared_from_this();
  c10::ThreadLocalDebugInfo::_push(c10::DebugInfoKind::PROFILER_STATE, active);
  callback_ = at::addThreadLocalCallback(
      at::RecordFunctionCallback(&Recorder::on_start, &Recorder::on_end).needsInputs(true).needsOutputs(true).scopes({at::RecordScope::FUNCTION}));
  quiet_ = std::make_shared<Quiet>();
  memory_.emplace();
  watching_ = true;
}

void Recorder::leave_thread() {
  if (!watching_) return;
  watching_ = false;
  const auto keep = std::exchange(active, nullptr);  // this may be the last reference
  at::removeCallback(callback_);
  c10::ThreadLocalDebugInfo::_pop(c10::DebugInfoKind::PROFILER_STATE);
  quiet_.reset();
  memory_.reset();
  shapes_only_.reset();
}

void Recorder::stop() {
  const auto keep = shared_from_this();
  leave_thread();
  restore();
}

void Recorder::restore() {
  if (std::exchange(restored_, true)) return;
  at::NoGradGuard no_grad;
  for (const auto i : program_->changed_buffers) put_back(buffers_[i], buffer_values_[i]);
  for (size_t i = 0; i < inputs_.size(); i++)
    if (input_values_[i].defined()) put_back(inputs_[i], input_values_[i]);
  for (auto own = own_values_.rbegin(); own != own_values_.rend(); ++own) put_back(own->first, own->second);
  own_values_.clear();
  for (auto& [generator, state] : generator_states_) set_generator_state(generator, state);
}

void Recorder::hand_over() {
  leave_thread();
  // This thread must not see, or draw from, what the forward left. To the backward the values do not matter: it is only
  // written down, and draws nothing of its own.
  restore();
}

void Recorder::check_layouts(const std::atomic<bool>& cancelled) const {
  if (computed()) return;
  at::NoGradGuard no_grad;
  Tensors buffers;
  for (const auto& buffer : buffers_) buffers.push_back(buffer.clone());
  program_->check_layouts({parameters_, buffers, inputs_}, layouts(), cancelled);
}

// By register.
Layouts Recorder::layouts() const {
  Layouts result;
  for (const auto& key : keys_) result.push_back({key.sizes, key.strides, /*strided=*/key.strided && !key.conjugated && !key.negated, key.dtype});
  return result;
}

void Recorder::obstacle(const std::string& why) {
  if (obstacle_.empty()) obstacle_ = why;
}

void Recorder::end_forward(const at::Tensor& loss, const Tensors& extras) {
  shapes_only_.reset();
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
}

std::shared_ptr<Program> Recorder::finish(const at::Tensor& loss) {
  differentiate(loss);
  stop();
  program_->backward_obstacle = obstacle_;
  if (!obstacle_.empty()) std::erase_if(program_->instructions, [](const auto& instruction) { return instruction.backward; });
  drop_dead_code(*program_);
  replace_lstm_layers(*program_);  // it looks at its operands itself
  if (on_cpu_) replace_operators(*program_, layouts());
  keys_.resize(program_->register_count);  // what lies between kernels of our own alone is nothing that was recorded
  look_through_views(*program_);
  drop_dead_code(*program_);
  expect_parameters_in_order(*program_, layouts());
  for (size_t k = 0; k < program_->parameter_count; k++) keys_[k].strides = program_->layouts[k].strides;
  place_last_uses(*program_);
  place_turns(*program_, changed_buffer_of_registers());
  reuse_operands(*program_, [&](int32_t a, int32_t b) {
    return keys_[a].dtype == keys_[b].dtype && keys_[a].sizes == keys_[b].sizes && keys_[a].strides == keys_[b].strides;
  });
  program_->complete();
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
  for (size_t i = 0; i < parameters_.size(); i++) {
    if (parameters_[i].requires_grad() != (program_->requires_grad[i] != 0)) {
      fail(Code::record, "The requiresGrad of a parameter was changed while a step that was asked for before is being recorded. Await the step first.");
    }
    if (program_->requires_grad[i] != 0) wanted.push_back(parameters_[i]);
  }
  in_backward_ = true;
  // On a GPU, too, on this thread: elsewhere operators would be written down while others are.
  auto& autograd = c10::AutogradState::get_tls_state();
  const bool threads = autograd.get_multithreading_enabled();
  autograd.set_multithreading_enabled(false);
  struct Restore {
    bool threads;
    ~Restore() { c10::AutogradState::get_tls_state().set_multithreading_enabled(threads); }
  } restore{threads};
  if (!computed()) shapes_only_.emplace(shapes_from_);
  const auto gradients = torch::autograd::grad({loss}, wanted, {seed}, false, false, /*allow_unused=*/true);
  shapes_only_.reset();
  program_->gradient_registers.assign(parameters_.size(), Program::kNone);
  for (size_t i = 0, k = 0; i < parameters_.size(); i++) {
    if (program_->requires_grad[i] == 0) continue;
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
