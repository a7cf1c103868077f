#include "step_binding.h"

#include <ATen/autocast_mode.h>

#include "../dtypes.h"
#include "../signature.h"
#include "../worker.h"
#include "stored_gradients.h"

namespace steppe::sam {
namespace {

// What programs depend on, besides the structure of a call's arguments and the modules' modes.
std::string describe(const Engine& engine, const Tensors& inputs) {
  auto text = describe_inputs(inputs, engine.parameters(), engine.buffers());
  for (const auto device : {at::kCPU, at::kCUDA})
    if (at::autocast::is_autocast_enabled(device)) text += std::string("autocast ") + dtype_name(at::autocast::get_autocast_dtype(device)) + ";";
  for (const auto& parameter : engine.parameters()) {
    text += parameter.requires_grad() ? 'g' : '-';
    if (parameter.scalar_type() != at::kFloat) text += dtype_name(parameter.scalar_type());
    if (!parameter.is_cpu()) text += parameter.device().str();
  }
  return text;
}

// That of the first tensor that has a dimension of samples; -1 if none does.
int64_t batch_size_of(const Tensors& inputs) {
  for (const auto& input : inputs)
    if (input.dim() > 0) return input.size(0);
  return -1;
}

// engineSignature(engine, inputs): { batchSize, counts, signature }
Napi::Value signature(Call& call) {
  const auto engine = engine_of(call);
  const auto inputs = call.tensors(1, "inputs");
  const auto text = describe(*engine, inputs);
  const auto batch_size = batch_size_of(inputs);
  auto counts = Napi::Array::New(call.env());
  uint32_t i = 0;
  for (const auto count : engine->sample_counts(batch_size)) counts[i++] = static_cast<double>(count);
  auto result = Napi::Object::New(call.env());
  result["batchSize"] = static_cast<double>(batch_size);
  result["counts"] = counts;
  result["signature"] = text;
  return result;
}

napi_value report_to_js(napi_env raw_env, const Report& report) {
  const Napi::Env env(raw_env);
  auto result = Napi::Object::New(env);
  result["loss"] = report.loss;
  result["perturbedLoss"] = report.perturbed_loss.has_value() ? Napi::Number::New(env, *report.perturbed_loss) : env.Undefined();
  result["gradNorm"] = report.grad_norm;
  result["skipped"] = report.skipped;
  result["updated"] = report.updated;
  return result;
}

// The state of an engine that steps on another thread is read where the step is taken.
ProgramPasses::Settings pass_settings(const Engine& engine) { return {engine.settings().same_noise, engine.loss_scale.scale}; }

// What a step runs over, besides its inputs.
struct Programs {
  std::map<ProgramPasses::Key, std::shared_ptr<Program>> by_key;
  std::vector<uint8_t> batched;  // of each input: whether its first dimension is the samples
  int64_t batch_size;
  int64_t on_device;  // 1: without waits between the passes, 2: in a graph
};

// Report | Promise<Report>
Napi::Value take(Call& call, const std::shared_ptr<Engine>& engine, Programs programs, const Tensors& tensors, Tensors generators, bool sync) {
  auto& instance = call.instance();
  std::vector<ProgramPasses::Input> inputs;
  for (size_t i = 0; i < tensors.size(); i++) inputs.push_back({tensors[i], programs.batched[i] != 0});
  const auto run = [engine, programs = std::move(programs), inputs = std::move(inputs), plan = engine->plan, generators = std::move(generators),
                    &cancelled = instance.worker->cancelled()] {
    const auto& [by_key, batched, batch_size, on_device] = programs;
    ProgramPasses passes(by_key, engine->buffers(), inputs, batch_size, pass_settings(*engine), cancelled);
    const bool captures = on_device == 2;
    if (engine->settings().accumulation_steps > 1) {
      const auto kept = passes.keep({});
      if (on_device > 0 && generators.empty())
        if (const auto report = engine->micro_step_on_device(kept, by_key, inputs, *plan, captures, cancelled)) return *report;
      return engine->micro_step(kept, generators, *plan);
    }
    if (on_device > 0)
      if (const auto report = engine->step_on_device(passes, by_key, inputs, *plan, captures, cancelled)) return *report;
    return engine->step(passes, *plan);
  };
  if (sync) {
    instance.worker->drain();
    const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);  // programs hold their casts
    const auto report = run();
    at::autocast::clear_cache();  // of the weights as they were
    return Napi::Value(call.env(), report_to_js(call.env(), report));
  }
  auto job = std::make_unique<Worker::Job>();
  auto report = std::make_shared<Report>();
  job->run = [run, report] { *report = run(); };
  job->result = [report](napi_env env) { return report_to_js(env, *report); };
  return Napi::Value(call.env(), instance.worker->enqueue(std::move(job)));
}

// engineStep(engine, programs: [count, climbed, program, …], inputs, batched: boolean[], batchSize, sync, generators, onDevice, compiled?):
// Report | Promise<Report>. `generators`: states that a micro-batch is taken again from; else none. `compiled`: a number under which
// engineStepAgain finds the call.
Napi::Value step(Call& call) {
  const auto engine = engine_of(call);
  auto& instance = call.instance();
  const auto inputs = call.tensors(2, "inputs");
  Programs programs{{}, {}, call.integer(4, "batchSize"), call.integer(7, "onDevice")};
  const auto triples = call.integers(1, "programs");
  for (size_t i = 0; i + 2 < triples.size(); i += 3) {
    const auto objective = triples[i + 1] != 0 ? Objective::climbed : Objective::loss;
    programs.by_key.emplace(std::pair{triples[i], objective}, instance.programs.get(static_cast<uint32_t>(triples[i + 2]), "program"));
  }
  const auto batched = call.value(3).As<Napi::Array>();
  for (uint32_t i = 0; i < inputs.size(); i++) programs.batched.push_back(batched.Get(i).As<Napi::Boolean>());
  if (call.has(8)) {
    std::erase_if(engine->known_calls, [](const auto& each) { return each.second.is_gone(); });
    auto& known = engine->known_calls[call.integer(8, "compiled")];
    known = {describe(*engine, inputs), engine->sample_counts(programs.batch_size), {}, programs.batched, programs.batch_size, programs.on_device};
    for (const auto& [key, program] : programs.by_key) known.programs.emplace(key, program);
  }
  return take(call, engine, std::move(programs), inputs, call.tensors(6, "generators"), call.boolean(5, "sync"));
}

// engineStepAgain(engine, compiled, inputs, sync): Report | Promise<Report>, or undefined where the call is not like the last one that was
// made known under this number. That the arguments' structure, the modules' modes and the buffers are the same, the caller has seen.
Napi::Value step_again(Call& call) {
  const auto engine = engine_of(call);
  const auto found = engine->known_calls.find(call.integer(1, "compiled"));
  if (found == engine->known_calls.end()) return call.env().Undefined();
  const auto& known = found->second;
  const auto inputs = call.tensors(2, "inputs");
  if (inputs.size() != known.batched.size() || describe(*engine, inputs) != known.signature || engine->sample_counts(known.batch_size) != known.counts)
    return call.env().Undefined();
  Programs programs{{}, known.batched, known.batch_size, known.on_device};
  for (const auto& [key, kept] : known.programs) {
    auto program = kept.lock();
    if (program == nullptr) return call.env().Undefined();
    programs.by_key.emplace(key, std::move(program));
  }
  return take(call, engine, std::move(programs), inputs, {}, call.boolean(3, "sync"));
}

// engineStepClosure(engine, closure: (climbed: boolean) => [objective, loss]): Report
Napi::Value step_closure(Call& call) {
  const auto engine = engine_of(call);
  auto& instance = call.instance();
  instance.worker->drain();
  const auto closure = call.value(1).As<Napi::Function>();
  ClosurePasses passes(engine->parameters(), engine->buffers(), pass_settings(*engine), [&](Objective objective) {
    Napi::HandleScope scope(call.env());
    const auto pair = call_js(call.env(), closure, {Napi::Boolean::New(call.env(), objective == Objective::climbed)});
    const auto tensor = [&](uint32_t i) {
      napi_value handle = nullptr;
      check(call.env(), napi_get_element(call.env(), pair, i, &handle));
      return at::Tensor(instance.handles.get(read_number(call.env(), handle, "closure()")));
    };
    return ClosurePasses::Result{tensor(0), tensor(1)};
  });
  const auto report = engine->step(passes, *engine->plan);
  at::autocast::clear_cache();  // casts of the weights as they were
  return Napi::Value(call.env(), report_to_js(call.env(), report));
}

// engineStepStored(engine): Report, or undefined where no parameter has a gradient
Napi::Value step_stored(Call& call) {
  const auto engine = engine_of(call);
  call.instance().worker->drain();
  StoredGradients gradients(engine->parameters(), engine->loss_scale.scale);
  if (!gradients.exist()) return call.env().Undefined();
  const auto report = engine->step(gradients, *engine->plan);
  at::autocast::clear_cache();  // casts of the weights as they were
  return Napi::Value(call.env(), report_to_js(call.env(), report));
}

}  // namespace

std::shared_ptr<Engine> engine_of(Call& call) { return call.instance().engines.get(static_cast<uint32_t>(call.integer(0, "optimizer")), "optimizer"); }

void register_steps(Napi::Env env, Napi::Object exports) {
  define<signature>(env, exports, "engineSignature");
  define<step>(env, exports, "engineStep");
  define<step_again>(env, exports, "engineStepAgain");
  define<step_closure>(env, exports, "engineStepClosure");
  define<step_stored>(env, exports, "engineStepStored");
}

}  // namespace steppe::sam
