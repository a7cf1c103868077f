#include "program_binding.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/strides.h>

#include <algorithm>

#include "checkpoint.h"
#include "functions.h"
#include "program_passes.h"
#include "recorder.h"
#include "signature.h"
#include "worker.h"

namespace steppe {
namespace {

std::shared_ptr<Program> program_of(Call& call) { return call.instance().programs.get(static_cast<uint32_t>(call.integer(0, "program")), "program"); }

// recordStandIns(inputs, slots: parameters and buffers): handles of tensors to give the loss function in the inputs' places.
Napi::Value record_stand_ins(Call& call) {
  const auto all = Recorder::stand_ins(call.tensors(0, "inputs"), call.tensors(1, "slots"));
  auto result = Napi::Array::New(call.env(), all.size());
  for (size_t i = 0; i < all.size(); i++) result[static_cast<uint32_t>(i)] = call.instance().handles.add(all[i], false);
  return result;
}

// recordBegin(parameters, buffers, inputs, ownOrder, shapesFrom)
Napi::Value record_begin(Call& call) {
  at::autocast::clear_cache();  // weights that were cast before would be constants of the program
  Recorder::begin(call.tensors(0, "parameters"), call.tensors(1, "buffers"), call.tensors(2, "inputs"), {.own_order = call.boolean(3, "ownOrder"), .shapes_from = call.integer(4, "shapesFrom")});
  call.instance().recording = true;
  return call.env().Undefined();
}

napi_value describe(Instance& instance, const std::shared_ptr<Program>& program, bool computed) {
  auto result = Napi::Object::New(instance.env);
  result["program"] = instance.programs.add(program);
  result["draws"] = program->draws;
  result["obstacle"] = program->backward_obstacle;
  result["computed"] = computed;
  result["instructions"] = static_cast<double>(program->instructions.size());
  return result;
}

// recordEnd(loss, extras, here): { program, draws, obstacle, instructions, computed }, or unless `here` a promise of it: the training
// thread runs the backward, if it can (a segment of nn.checkpoint calls JavaScript in it, and changed inputs are put back
// before this thread goes on), and checks the program.
Napi::Value record_end(Call& call) {
  auto& instance = call.instance();
  instance.recording = false;
  at::autocast::clear_cache();
  const auto recorder = Recorder::current();
  if (recorder == nullptr) fail(Code::internal, "No recording is under way.");
  const auto& loss = call.tensor(0);
  recorder->end_forward(loss, call.tensors(1, "extras"));
  if (call.boolean(2, "here")) return Napi::Value(call.env(), describe(instance, recorder->finish(loss), true));
  const auto program = std::make_shared<std::shared_ptr<Program>>();
  auto job = std::make_unique<Worker::Job>();
  job->run = [recorder, loss, program, &cancelled = instance.worker->cancelled()] {
    if (*program == nullptr) {
      recorder->enter_thread();
      try {
        *program = recorder->finish(loss);
      } catch (...) {
        recorder->stop();
        throw;
      }
    }
    recorder->check_layouts(cancelled);
  };
  if (has_checkpoints() || recorder->changes_inputs()) {
    *program = recorder->finish(loss);
  } else {
    recorder->hand_over();
  }
  job->result = [&instance, program, computed = recorder->computed()](napi_env) { return describe(instance, *program, computed); };
  return Napi::Value(call.env(), instance.worker->enqueue(std::move(job)));
}

// recordAbort(): after any failure since recordBegin, recordEnd's own included. Whether images were put into another order:
// then the reason may lie there.
Napi::Value record_abort(Call& call) {
  at::autocast::clear_cache();
  call.instance().recording = false;
  const auto recorder = Recorder::current();
  if (recorder != nullptr) recorder->stop();
  return Napi::Boolean::New(call.env(), recorder != nullptr && recorder->relaid());
}

// programText(program): one line per instruction, to read and to test; before them those of the parameters that are expected with
// other strides than a new tensor's.
Napi::Value program_text(Call& call) {
  const auto program = program_of(call);
  std::string text;
  for (size_t k = 0; k < program->parameter_count; k++) {
    const auto& [sizes, strides, strided, dtype] = program->layouts[k];
    const auto as_new = c10::contiguous_strides(sizes);
    if (!strided || std::equal(strides.begin(), strides.end(), as_new.begin(), as_new.end())) continue;
    text += "expects  %" + std::to_string(k) + " with strides";
    for (const auto stride : strides) text += " " + std::to_string(stride);
    text += "\n";
  }
  for (const auto& instruction : program->instructions) {
    text += instruction.backward ? "backward " : "forward  ";
    for (const auto& output : instruction.outputs)
      for (const auto reg : output.regs) text += reg >= 0 ? "%" + std::to_string(reg) + " " : "_ ";
    text += "= " + c10::toString(instruction.op.operator_name());
    for (const auto reg : input_registers(instruction)) text += " %" + std::to_string(reg);
    if (instruction.reuse.has_value()) text += " over %" + std::to_string(instruction.inputs[instruction.reuse->operand].reg);
    if (instruction.kernel != nullptr) text += " by a kernel of our own";
    text += "\n";
  }
  return Napi::String::New(call.env(), text);
}

// programRun(program, parameters, buffers, inputs, times): promises the loss of the last of so many passes, forward and
// backward, on the training thread. A step's passes without the step: what a benchmark compares steps with.
Napi::Value program_run(Call& call) {
  auto& instance = call.instance();
  const auto loss = std::make_shared<double>(0);
  auto job = std::make_unique<Worker::Job>();
  job->run = [program = program_of(call), parameters = call.tensors(1, "parameters"), buffers = call.tensors(2, "buffers"),
              inputs = call.tensors(3, "inputs"), times = call.integer(4, "times"), loss, worker = instance.worker.get()] {
    at::NoGradGuard no_grad;
    for (int64_t i = 0; i < times; i++) *loss = program->run({parameters, buffers, inputs}, worker->cancelled()).loss.item<double>();
  };
  job->result = [loss](napi_env env) -> napi_value { return Napi::Number::New(env, *loss); };
  return Napi::Value(call.env(), instance.worker->enqueue(std::move(job)));
}

// programPass(program, parameters, buffers, inputs, into, weight): promises the loss and the extras as numbers, from one pass on the
// training thread. `into` is empty, and the forward alone runs; or it has a tensor for each parameter, to which the gradient
// times `weight` is added. The parameters need not be the model's.
Napi::Value program_pass(Call& call) {
  auto& instance = call.instance();
  const auto numbers = std::make_shared<std::vector<double>>();
  auto job = std::make_unique<Worker::Job>();
  job->run = [program = program_of(call), parameters = call.tensors(1, "parameters"), buffers = call.tensors(2, "buffers"), inputs = call.tensors(3, "inputs"),
              into = call.tensors(4, "into"), weight = call.number(5, "weight"), numbers, worker = instance.worker.get()] {
    at::NoGradGuard no_grad;
    const Program::Slots slots{parameters, buffers, inputs};
    const auto outcome = into.empty() ? program->forward(slots, worker->cancelled()) : program->run(slots, worker->cancelled());
    for (size_t i = 0; i < into.size(); i++)
      if (outcome.gradients[i].defined()) into[i].add_(outcome.gradients[i], weight);
    numbers->push_back(outcome.loss.item().toDouble());
    for (const auto& extra : outcome.extras) numbers->push_back(extra.item().toDouble());
  };
  job->result = [numbers](napi_env env) -> napi_value {
    auto result = Napi::Array::New(env, numbers->size());
    for (uint32_t i = 0; i < numbers->size(); i++) result[i] = (*numbers)[i];
    return result;
  };
  return Napi::Value(call.env(), instance.worker->enqueue(std::move(job)));
}

// inputSignature(inputs, parameters)
Napi::Value input_signature(Call& call) { return Napi::String::New(call.env(), describe_inputs(call.tensors(0, "inputs"), call.tensors(1, "parameters"), call.tensors(2, "buffers"))); }

Napi::Value free_program(Call& call) {
  call.instance().programs.remove(static_cast<uint32_t>(call.integer(0, "program")));
  return call.env().Undefined();
}

}  // namespace

void register_programs(Napi::Env env, Napi::Object exports) {
  define<record_stand_ins>(env, exports, "recordStandIns");
  define<record_begin>(env, exports, "recordBegin");
  define<record_end>(env, exports, "recordEnd");
  define<record_abort>(env, exports, "recordAbort");
  define<program_text>(env, exports, "programText");
  define<program_run>(env, exports, "programRun");
  define<program_pass>(env, exports, "programPass");
  define<input_signature>(env, exports, "inputSignature");
  define<free_program>(env, exports, "freeProgram");
}

}  // namespace steppe
