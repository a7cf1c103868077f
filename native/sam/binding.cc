#include "binding.h"

#include "../functions.h"
#include "../worker.h"
#include "engine.h"
#include "step_binding.h"

namespace steppe::sam {
namespace {

double number_of(Napi::Object object, const char* name) { return read_number(object.Env(), object.Get(name), name); }

std::map<std::string, double> numbers_of(Napi::Object object) {
  std::map<std::string, double> numbers;
  const auto keys = object.GetPropertyNames();
  for (uint32_t i = 0; i < keys.Length(); i++) {
    const std::string name = keys.Get(i).As<Napi::String>();
    numbers[name] = number_of(object, name.c_str());
  }
  return numbers;
}

// { when: { name: "every", numbers: { k: 5 } }, … }
MethodSpec method_of(Napi::Object object) {
  MethodSpec method;
  const auto places = object.GetPropertyNames();
  for (uint32_t i = 0; i < places.Length(); i++) {
    const std::string place = places.Get(i).As<Napi::String>();
    const auto part = object.Get(place).As<Napi::Object>();
    method[place] = {part.Get("name").As<Napi::String>(), numbers_of(part.Get("numbers").As<Napi::Object>())};
  }
  return method;
}

// engineCreate(settings, parameters, buffers, holder): number
Napi::Value create(Call& call) {
  const auto given = call.value(0).As<Napi::Object>();
  Settings settings;
  settings.method = method_of(given.Get("method").As<Napi::Object>());
  settings.perturbs = given.Get("perturbs").As<Napi::Boolean>();
  settings.base = given.Get("base").As<Napi::String>();
  settings.max_grad_norm = number_of(given, "maxGradNorm");
  settings.max_grad_value = number_of(given, "maxGradValue");
  settings.start_step = static_cast<int64_t>(number_of(given, "startStep"));
  settings.same_noise = given.Get("sameNoise").As<Napi::Boolean>();
  settings.throw_non_finite = given.Get("throwNonFinite").As<Napi::Boolean>();
  settings.accumulation_steps = static_cast<int64_t>(number_of(given, "accumulationSteps"));
  settings.perturbs_per_micro = given.Get("perturbsPerMicro").As<Napi::Boolean>();
  const auto name_list = given.Get("names").As<Napi::Array>();
  const auto group_list = given.Get("groupOf").As<Napi::Array>();
  const auto subset = given.Get("inSubset").As<Napi::Array>();
  std::vector<std::string> names;
  std::vector<uint32_t> group_of;
  std::vector<uint8_t> in_subset;
  for (uint32_t i = 0; i < name_list.Length(); i++) {
    names.push_back(name_list.Get(i).As<Napi::String>());
    group_of.push_back(group_list.Get(i).As<Napi::Number>().Uint32Value());
    in_subset.push_back(subset.Get(i).As<Napi::Boolean>());
  }
  auto engine = std::make_shared<Engine>(std::move(settings), call.tensors(1, "parameters"), std::move(names), call.tensors(2, "buffers"),
                                         std::move(group_of), std::move(in_subset));
  const auto scale = numbers_of(given.Get("lossScale").As<Napi::Object>());
  engine->loss_scale = {scale.at("initial"), scale.at("growth"), scale.at("backoff"), static_cast<int64_t>(scale.at("interval"))};
  return Napi::Number::New(call.env(), call.instance().add_engine(std::move(engine), call.value(3).As<Napi::Object>()));
}

// engineAddBuffers(engine, buffers): normalisation buffers that it was not given at first. Programs have them as slots: those
// recorded before are of no use any more.
Napi::Value add_buffers(Call& call) {
  const auto engine = engine_of(call);
  call.instance().worker->drain();
  engine->add_buffers(call.tensors(1, "buffers"));
  return call.env().Undefined();
}

// engineConfigure(engine, first, groups: group[][]): the hyperparameters of the steps that are asked for from now on, for each
// number of steps that may have been taken before, from `first` on.
Napi::Value configure(Call& call) {
  const auto engine = engine_of(call);
  auto plan = std::make_shared<Plan>();
  plan->first = call.integer(1, "first");
  const auto steps = call.value(2).As<Napi::Array>();
  plan->groups.resize(steps.Length());
  for (uint32_t s = 0; s < steps.Length(); s++) {
    const auto list = steps.Get(s).As<Napi::Array>();
    for (uint32_t i = 0; i < list.Length(); i++) {
      auto& group = plan->groups[s].emplace_back();
      for (const auto& [name, value] : numbers_of(list.Get(i).As<Napi::Object>())) optim::set(group, name, value);
    }
  }
  engine->plan = std::move(plan);
  return call.env().Undefined();
}

using NamedTensors = std::vector<std::pair<std::string, Tensors*>>;

// { name: (handle | null)[] }. Copies: the next step would change what the user holds.
Napi::Object tensors_to_js(Call& call, const NamedTensors& all) {
  auto result = Napi::Object::New(call.env());
  for (const auto& [name, tensors] : all) {
    auto list = Napi::Array::New(call.env(), tensors->size());
    for (uint32_t k = 0; k < tensors->size(); k++) {
      const auto& tensor = (*tensors)[k];
      list[k] = tensor.defined() ? Napi::Value(Napi::Number::New(call.env(), call.instance().handles.add(tensor.clone(), true))) : call.env().Null();
    }
    result[name] = list;
  }
  return result;
}

void tensors_from_js(Call& call, Napi::Object given, const NamedTensors& all) {
  for (const auto& [name, tensors] : all) {
    if (!given.Has(name)) continue;
    const auto list = given.Get(name).As<Napi::Array>();
    tensors->resize(list.Length());
    for (uint32_t k = 0; k < list.Length(); k++) {
      const Napi::Value handle = list.Get(k);
      (*tensors)[k] = handle.IsNumber() ? call.instance().handles.get(handle.As<Napi::Number>().DoubleValue()).clone() : at::Tensor();
    }
  }
}

NamedTensors method_tensors(Memory& memory) { return {memory.tensors.begin(), memory.tensors.end()}; }

// engineState(engine): NativeEngineState of lib/native.ts
Napi::Value state(Call& call) {
  const auto engine = engine_of(call);
  call.instance().worker->drain();
  const auto env = call.env();
  auto memory = engine->memory();
  auto numbers = Napi::Object::New(env);
  for (const auto& [name, values] : memory.numbers) {
    auto list = Napi::Array::New(env, values->size());
    for (uint32_t i = 0; i < values->size(); i++) list[i] = (*values)[i];
    numbers[name] = list;
  }
  auto result = Napi::Object::New(env);
  result["steps"] = static_cast<double>(engine->counters.steps);
  result["methodSteps"] = static_cast<double>(engine->counters.method_steps);
  result["lossScale"] = engine->loss_scale.scale;
  result["goodSteps"] = static_cast<double>(engine->loss_scale.good_steps);
  result["base"] = tensors_to_js(call, engine->base().state());
  result["method"] = tensors_to_js(call, method_tensors(memory));
  result["batch"] = memory.batch == nullptr ? env.Null() : tensors_to_js(call, {{"batch", memory.batch}}).Get("batch");
  result["numbers"] = numbers;
  auto window = Napi::Array::New(env);
  for (const auto& micro : engine->micros()) {
    auto inputs = micro.passes->inputs();
    auto generators = micro.generators;
    window[window.Length()] = tensors_to_js(call, {{"inputs", &inputs}, {"generators", &generators}});
  }
  result["window"] = window;
  return result;
}

// engineDropWindow(engine): the micro-batches of a step that is accumulated are forgotten, the next one begins it anew.
Napi::Value drop_window(Call& call) {
  const auto engine = engine_of(call);
  call.instance().worker->drain();
  engine->forget_micros();
  return call.env().Undefined();
}

// engineLoadState(engine, state). lib/optim has checked names and shapes.
Napi::Value load_state(Call& call) {
  const auto engine = engine_of(call);
  call.instance().worker->drain();
  const auto given = call.value(1).As<Napi::Object>();
  auto memory = engine->memory();
  tensors_from_js(call, given.Get("base").As<Napi::Object>(), engine->base().state());
  tensors_from_js(call, given.Get("method").As<Napi::Object>(), method_tensors(memory));
  if (memory.batch != nullptr) {
    memory.batch->clear();
    if (given.Get("batch").IsArray()) tensors_from_js(call, given, {{"batch", memory.batch}});
  }
  const auto numbers = given.Get("numbers").As<Napi::Object>();
  for (const auto& [name, values] : memory.numbers) {
    const auto list = numbers.Get(name).As<Napi::Array>();
    for (uint32_t i = 0; i < values->size() && i < list.Length(); i++) (*values)[i] = list.Get(i).As<Napi::Number>().DoubleValue();
  }
  engine->counters = {static_cast<int64_t>(number_of(given, "steps")), static_cast<int64_t>(number_of(given, "methodSteps"))};
  engine->loss_scale.scale = number_of(given, "lossScale");
  engine->loss_scale.good_steps = static_cast<int64_t>(number_of(given, "goodSteps"));
  engine->recalled();
  engine->forget_micros();
  return call.env().Undefined();
}

// engineStepsOnDevice(engine): number
Napi::Value steps_on_device(Call& call) {
  const auto engine = engine_of(call);
  call.instance().worker->drain();
  return Napi::Number::New(call.env(), static_cast<double>(engine->steps_on_device));
}

// engineGraphReplays(engine): number
Napi::Value graph_replays(Call& call) {
  const auto engine = engine_of(call);
  call.instance().worker->drain();
  return Napi::Number::New(call.env(), static_cast<double>(engine->graph_replays));
}

// engineDeviceNote(engine, program, captures): why its steps are not taken on the device (or in a graph), or ""
Napi::Value device_note(Call& call) {
  const auto engine = engine_of(call);
  call.instance().worker->drain();
  const auto program = call.instance().programs.get(static_cast<uint32_t>(call.integer(1, "program")), "program");
  return Napi::String::New(call.env(), engine->note_on_device(program, call.boolean(2, "captures")));
}

Napi::Value free_engine(Call& call) {
  call.instance().engines.remove(static_cast<uint32_t>(call.integer(0, "optimizer")));
  return call.env().Undefined();
}

Napi::Value loss_scale(Call& call) {
  const auto engine = engine_of(call);
  call.instance().worker->drain();
  return Napi::Number::New(call.env(), engine->loss_scale.scale);
}

Napi::Value drain(Call& call) {
  call.instance().worker->drain();
  return call.env().Undefined();
}

}  // namespace

void register_engine(Napi::Env env, Napi::Object exports) {
  register_steps(env, exports);
  define<create>(env, exports, "engineCreate");
  define<add_buffers>(env, exports, "engineAddBuffers");
  define<configure>(env, exports, "engineConfigure");
  define<state>(env, exports, "engineState");
  define<load_state>(env, exports, "engineLoadState");
  define<drop_window>(env, exports, "engineDropWindow");
  define<loss_scale>(env, exports, "engineLossScale");
  define<steps_on_device>(env, exports, "engineStepsOnDevice");
  define<graph_replays>(env, exports, "engineGraphReplays");
  define<device_note>(env, exports, "engineDeviceNote");
  define<free_engine>(env, exports, "freeEngine");
  define<drain>(env, exports, "drain");
}

}  // namespace steppe::sam
