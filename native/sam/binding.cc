#include "binding.h"

#include "../dtypes.h"
#include "../functions.h"
#include "../worker.h"
#include "engine.h"

namespace steppe::sam {
namespace {

std::shared_ptr<Engine> engine_of(Call& call) { return call.instance().engines.get(static_cast<uint32_t>(call.integer(0, "optimizer")), "optimizer"); }

double number_of(Napi::Object object, const char* name) { return read_number(object.Env(), object.Get(name), name); }

// engineCreate(settings, parameters, buffers): number
Napi::Value create(Call& call) {
  const auto given = call.value(0).As<Napi::Object>();
  Settings settings;
  settings.method = given.Get("method").As<Napi::String>();
  settings.base = given.Get("base").As<Napi::String>();
  settings.max_grad_norm = number_of(given, "maxGradNorm");
  settings.start_step = static_cast<int64_t>(number_of(given, "startStep"));
  settings.same_noise = given.Get("sameNoise").As<Napi::Boolean>();
  settings.throw_non_finite = given.Get("throwNonFinite").As<Napi::Boolean>();
  const auto options = given.Get("options").As<Napi::Object>();
  const auto keys = options.GetPropertyNames();
  for (uint32_t i = 0; i < keys.Length(); i++) {
    const std::string name = keys.Get(i).As<Napi::String>();
    settings.options[name] = number_of(options, name.c_str());
  }
  const auto name_list = given.Get("names").As<Napi::Array>();
  const auto group_list = given.Get("groupOf").As<Napi::Array>();
  std::vector<std::string> names;
  std::vector<uint32_t> group_of;
  for (uint32_t i = 0; i < name_list.Length(); i++) {
    names.push_back(name_list.Get(i).As<Napi::String>());
    group_of.push_back(group_list.Get(i).As<Napi::Number>().Uint32Value());
  }
  auto engine = std::make_shared<Engine>(std::move(settings), call.tensors(1, "parameters"), std::move(names), call.tensors(2, "buffers"), std::move(group_of));
  return Napi::Number::New(call.env(), call.instance().engines.add(std::move(engine)));
}

bool same_place(const at::Tensor& a, const at::Tensor& b) {
  return a.has_storage() && b.has_storage() && a.is_alias_of(b) && a.storage_offset() == b.storage_offset();
}

// Tensors that share memory share registers: a program recorded with them is no good for others.
std::string describe_input(const std::vector<at::Tensor>& inputs, size_t i, const Tensors& parameters) {
  const auto& tensor = inputs[i];
  std::string text = dtype_name(tensor.scalar_type());
  for (const auto size : tensor.sizes()) text += "," + std::to_string(size);
  text += "@" + tensor.device().str();
  if (tensor.layout() != at::kStrided) {
    text += layout_name(tensor.layout());
  } else if (!tensor.is_contiguous()) {
    for (const auto stride : tensor.strides()) text += "/" + std::to_string(stride);
  }
  for (size_t j = 0; j < i; j++)
    if (same_place(inputs[j], tensor)) text += "=" + std::to_string(j);
  for (size_t k = 0; k < parameters.size(); k++)
    if (same_place(parameters[k], tensor)) text += "=p" + std::to_string(k);
  return text + (tensor.requires_grad() ? "g;" : ";");
}

// engineSignature(engine, inputs): { batchSize, counts, signature }
Napi::Value signature(Call& call) {
  const auto engine = engine_of(call);
  const auto inputs = call.tensors(1, "inputs");
  std::string text;
  int64_t batch_size = -1;
  for (size_t i = 0; i < inputs.size(); i++) {
    if (!inputs[i].defined()) fail(Code::disposed, "An argument of the step is a tensor that was disposed.");
    text += describe_input(inputs, i, engine->parameters());
    if (batch_size < 0 && inputs[i].dim() > 0) batch_size = inputs[i].size(0);
  }
  for (const auto& parameter : engine->parameters()) {
    text += parameter.requires_grad() ? 'g' : '-';
    if (parameter.scalar_type() != at::kFloat) text += dtype_name(parameter.scalar_type());
    if (!parameter.is_cpu()) text += parameter.device().str();
  }
  auto counts = Napi::Array::New(call.env());
  uint32_t i = 0;
  for (const auto count : engine->sample_counts(batch_size)) counts[i++] = static_cast<double>(count);
  auto result = Napi::Object::New(call.env());
  result["batchSize"] = static_cast<double>(batch_size);
  result["counts"] = counts;
  result["signature"] = text;
  return result;
}

// engineConfigure(engine, groups): the hyperparameters of the steps that are asked for from now on.
Napi::Value configure(Call& call) {
  const auto engine = engine_of(call);
  const auto list = call.value(1).As<Napi::Array>();
  auto groups = std::make_shared<optim::Groups>(list.Length());
  for (uint32_t i = 0; i < list.Length(); i++) {
    const auto group = list.Get(i).As<Napi::Object>();
    const auto keys = group.GetPropertyNames();
    for (uint32_t k = 0; k < keys.Length(); k++) {
      const std::string name = keys.Get(k).As<Napi::String>();
      if (!optim::set((*groups)[i], name, number_of(group, name.c_str()))) fail(Code::internal, "No hyperparameter is called " + name + ".");
    }
  }
  engine->groups = std::move(groups);
  return call.env().Undefined();
}

napi_value report_to_js(napi_env raw_env, const Report& report) {
  const Napi::Env env(raw_env);
  auto result = Napi::Object::New(env);
  result["loss"] = report.loss;
  result["perturbedLoss"] = report.perturbed_loss.has_value() ? Napi::Number::New(env, *report.perturbed_loss) : env.Undefined();
  result["gradNorm"] = report.grad_norm;
  result["skipped"] = report.skipped;
  return result;
}

// engineStep(engine, programs: [count, program, …], inputs, batched: boolean[], batchSize, sync): Report | Promise<Report>
Napi::Value step(Call& call) {
  const auto engine = engine_of(call);
  auto& instance = call.instance();
  std::map<int64_t, std::shared_ptr<Program>> programs;
  const auto pairs = call.integers(1, "programs");
  for (size_t i = 0; i + 1 < pairs.size(); i += 2) programs.emplace(pairs[i], instance.programs.get(static_cast<uint32_t>(pairs[i + 1]), "program"));
  std::vector<ProgramPasses::Input> inputs;
  const auto batched = call.value(3).As<Napi::Array>();
  const auto tensors = call.tensors(2, "inputs");
  for (uint32_t i = 0; i < tensors.size(); i++) inputs.push_back({tensors[i], batched.Get(i).As<Napi::Boolean>()});
  auto passes = std::make_shared<ProgramPasses>(std::move(programs), engine->buffers(), std::move(inputs), call.integer(4, "batchSize"),
                                                instance.worker->cancelled());
  if (call.boolean(5, "sync")) {
    instance.worker->drain();
    return Napi::Value(call.env(), report_to_js(call.env(), engine->step(*passes, *engine->groups)));
  }
  auto job = std::make_unique<Worker::Job>();
  auto report = std::make_shared<Report>();
  job->run = [engine, passes, report, groups = engine->groups] { *report = engine->step(*passes, *groups); };
  job->result = [report](napi_env env) { return report_to_js(env, *report); };
  return Napi::Value(call.env(), instance.worker->enqueue(std::move(job)));
}

// engineStepClosure(engine, closure: () => handle): Report
Napi::Value step_closure(Call& call) {
  const auto engine = engine_of(call);
  auto& instance = call.instance();
  instance.worker->drain();
  const auto closure = call.value(1).As<Napi::Function>();
  ClosurePasses passes(engine->parameters(), engine->buffers(), [&]() {
    Napi::HandleScope scope(call.env());
    const Napi::Value handle = closure.Call({});
    return at::Tensor(instance.handles.get(read_number(call.env(), handle, "closure()")));
  });
  return Napi::Value(call.env(), report_to_js(call.env(), engine->step(passes, *engine->groups)));
}

// engineState(engine): { steps, base: { name: (handle | null)[] }, method: { name: number[] } }
Napi::Value state(Call& call) {
  const auto engine = engine_of(call);
  call.instance().worker->drain();
  const auto env = call.env();
  auto base = Napi::Object::New(env);
  for (const auto& [name, tensors] : engine->base().state()) {
    auto list = Napi::Array::New(env, tensors->size());
    for (size_t k = 0; k < tensors->size(); k++) {
      const auto& tensor = (*tensors)[k];
      // A copy: the next step would change what the user holds.
      list[k] = tensor.defined() ? Napi::Value(Napi::Number::New(env, call.instance().handles.add(tensor.clone()))) : env.Null();
    }
    base[name] = list;
  }
  auto method = Napi::Object::New(env);
  if (engine->ascent() != nullptr) {
    for (const auto& [name, numbers] : engine->ascent()->state()) {
      auto list = Napi::Array::New(env, numbers.size());
      for (size_t i = 0; i < numbers.size(); i++) list[i] = numbers[i];
      method[name] = list;
    }
  }
  auto result = Napi::Object::New(env);
  result["steps"] = static_cast<double>(engine->steps());
  result["base"] = base;
  result["method"] = method;
  return result;
}

// engineLoadState(engine, steps, base: { name: (handle | null)[] }, method: { name: number[] }). lib/optim has checked names and shapes.
Napi::Value load_state(Call& call) {
  const auto engine = engine_of(call);
  call.instance().worker->drain();
  const auto env = call.env();
  const auto base = call.value(2).As<Napi::Object>();
  for (const auto& [name, tensors] : engine->base().state()) {
    const auto list = base.Get(name).As<Napi::Array>();
    for (uint32_t k = 0; k < tensors->size(); k++) {
      const Napi::Value handle = list.Get(k);
      (*tensors)[k] = handle.IsNumber() ? call.instance().handles.get(handle.As<Napi::Number>().DoubleValue()).clone() : at::Tensor();
    }
  }
  if (engine->ascent() != nullptr) {
    std::map<std::string, std::vector<double>> numbers;
    const auto method = call.value(3).As<Napi::Object>();
    for (const auto& [name, old] : engine->ascent()->state()) {
      const auto list = method.Get(name).As<Napi::Array>();
      for (uint32_t i = 0; i < list.Length(); i++) numbers[name].push_back(read_number(env, list.Get(i), name));
      if (numbers[name].size() != old.size()) fail_expected(std::to_string(old.size()) + " numbers", name, std::to_string(numbers[name].size()));
    }
    if (!numbers.empty()) engine->ascent()->set_state(numbers);
  }
  engine->set_steps(call.integer(1, "steps"));
  return env.Undefined();
}

Napi::Value free_engine(Call& call) {
  call.instance().engines.remove(static_cast<uint32_t>(call.integer(0, "optimizer")));
  return call.env().Undefined();
}

Napi::Value drain(Call& call) {
  call.instance().worker->drain();
  return call.env().Undefined();
}

}  // namespace

void register_engine(Napi::Env env, Napi::Object exports) {
  define<create>(env, exports, "engineCreate");
  define<signature>(env, exports, "engineSignature");
  define<configure>(env, exports, "engineConfigure");
  define<step>(env, exports, "engineStep");
  define<step_closure>(env, exports, "engineStepClosure");
  define<state>(env, exports, "engineState");
  define<load_state>(env, exports, "engineLoadState");
  define<free_engine>(env, exports, "freeEngine");
  define<drain>(env, exports, "drain");
}

}  // namespace steppe::sam
