#include "dispatch.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <unordered_map>

#include "recorder.h"
#include "unboxed.h"

namespace steppe {
namespace {

constexpr size_t kMaxArguments = 64;

// Operators and their plans, shared by all environments and never removed: an index stays valid. Plans are made when a
// family is first asked for. LibTorch hands out all names at once, as copies: they are read again only when there are more.
struct Registry {
  std::mutex mutex;
  std::unordered_map<std::string, std::vector<c10::OperatorName>> names;  // by family
  size_t names_read = 0;
  std::map<std::string, std::vector<uint32_t>> families;
  uint32_t count = 0;
  // Read without the lock by every call: a slot is written once, before its number is known to anybody.
  std::array<std::atomic<const OperatorPlan*>, 16384> plans{};
};

Registry& registry() {
  static auto* instance = new Registry;  // leaked: worker threads may outlive static destruction
  return *instance;
}

void read_names(Registry& r) {
  auto all = c10::Dispatcher::singleton().getAllOpNames();
  if (all.size() == r.names_read) return;
  r.names.clear();
  r.names_read = all.size();
  for (auto& op : all) r.names[op.name].push_back(std::move(op));
}

std::vector<uint32_t> family_of(const std::string& name) {
  auto& r = registry();
  std::lock_guard lock(r.mutex);
  auto found = r.families.find(name);
  if (found != r.families.end()) return found->second;
  auto& dispatcher = c10::Dispatcher::singleton();
  if (!r.names.contains(name)) read_names(r);
  std::vector<uint32_t> ids;
  const auto overloads = r.names.find(name);
  if (overloads == r.names.end()) return ids;
  for (const auto& op : overloads->second) {
    const auto handle = dispatcher.findSchema(op);
    if (!handle.has_value()) continue;
    if (r.count >= r.plans.size()) fail(Code::internal, "More operators are registered than this addon has room for.");
    r.plans[r.count].store(new OperatorPlan(make_plan(*handle)), std::memory_order_release);
    ids.push_back(r.count++);
  }
  std::sort(ids.begin(), ids.end(), [&](uint32_t a, uint32_t b) { return plan_at(a).name < plan_at(b).name; });
  if (!ids.empty()) r.families.emplace(name, ids);
  return ids;
}

Napi::Value operator_names(const Napi::CallbackInfo& info) {
  std::vector<std::string> names;
  auto& dispatcher = c10::Dispatcher::singleton();
  for (const auto& op : dispatcher.getAllOpNames()) {
    if (dispatcher.findSchema(op).has_value()) names.push_back(c10::toString(op));
  }
  std::sort(names.begin(), names.end());
  auto result = Napi::Array::New(info.Env(), names.size());
  for (size_t i = 0; i < names.size(); i++) result[i] = names[i];
  return result;
}

Napi::Object describe_argument(Napi::Env env, const ArgumentPlan& plan) {
  auto argument = Napi::Object::New(env);
  argument["name"] = plan.name;
  argument["kind"] = kind_name(plan.kind);
  argument["list"] = plan.list;
  argument["optional"] = plan.optional;
  argument["optionalElements"] = plan.optional_elements;
  argument["size"] = plan.fixed_size;
  argument["keywordOnly"] = plan.keyword_only;
  argument["write"] = plan.write;
  argument["out"] = plan.out;
  argument["hasDefault"] = plan.has_default;
  return argument;
}

Napi::Value family(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto ids = family_of(read_string(env, info[0], "name"));
  auto result = Napi::Array::New(env, ids.size());
  for (size_t i = 0; i < ids.size(); i++) {
    const auto& plan = plan_at(ids[i]);
    auto overload = Napi::Object::New(env);
    overload["op"] = ids[i];
    overload["name"] = plan.name;
    overload["schema"] = c10::toString(plan.handle.schema());
    auto arguments = Napi::Array::New(env, plan.arguments.size());
    for (size_t k = 0; k < plan.arguments.size(); k++) arguments[k] = describe_argument(env, plan.arguments[k]);
    overload["arguments"] = arguments;
    auto returns = Napi::Array::New(env, plan.returns.size());
    for (size_t k = 0; k < plan.returns.size(); k++) {
      auto value = Napi::Object::New(env);
      value["kind"] = kind_name(plan.returns[k].kind);
      value["list"] = plan.returns[k].list;
      value["sameAs"] = plan.returns[k].same_as;
      returns[k] = value;
    }
    overload["returns"] = returns;
    result[i] = overload;
  }
  return result;
}

const OperatorPlan& read_plan(Instance& instance, napi_value op) {
  uint32_t index = 0;
  check(instance.env, napi_get_value_uint32(instance.env, op, &index));
  return plan_at(index);
}

// Converts the arguments.
void load(Instance& instance, const OperatorPlan& plan, const napi_value* values, size_t count, torch::jit::Stack& stack) {
  if (count > plan.arguments.size()) [[unlikely]]
    fail(Code::argument, plan.name + " takes at most " + std::to_string(plan.arguments.size()) + " arguments but received " + std::to_string(count) + ".");
  stack.reserve(std::max(plan.arguments.size(), plan.returns.size()));
  size_t i = 0;
  for (; i < count; i++) stack.push_back(to_ivalue(instance, values[i], plan.arguments[i]));
  for (; i < plan.arguments.size(); i++) {
    const auto& argument = plan.arguments[i];
    if (argument.has_default) {
      stack.push_back(argument.default_value);
    } else if (argument.optional) {
      stack.emplace_back();
    } else {
      fail_missing(plan, i);
    }
  }
  if (instance.recording) [[unlikely]]
    Recorder::before_call(plan, stack);
}

// A call that ran out of memory, once more with all memory that can be had. Not where the first one may have changed something.
void call_again(Instance& instance, const OperatorPlan& plan, const napi_value* values, size_t count, torch::jit::Stack& stack) {
  const bool changes = std::any_of(plan.arguments.begin(), plan.arguments.end(), [](const auto& argument) { return argument.write; });
  if (changes || !is_out_of_memory()) throw;
  stack.clear();
  load(instance, plan, values, count, stack);  // before the sweep: JavaScript may hold the operands no longer
  instance.free_memory();
  plan.handle.callBoxed(stack);
  instance.memory_is_free = false;
}

// Calls the operator boxed, leaves its results on the stack.
void call(Instance& instance, const OperatorPlan& plan, const napi_value* values, size_t count, torch::jit::Stack& stack) {
  load(instance, plan, values, count, stack);
  try {
    plan.handle.callBoxed(stack);
  } catch (...) {
    call_again(instance, plan, values, count, stack);
  }
}

struct Arguments {
  Arguments(napi_env env, napi_callback_info info) {
    void* data = nullptr;
    check(env, napi_get_cb_info(env, info, &count, values, nullptr, &data));
    if (count > kMaxArguments) fail(Code::argument, "Expected at most 64 arguments but received " + std::to_string(count) + ".");
    instance = static_cast<Instance*>(data);
  }
  Instance* instance;
  size_t count = kMaxArguments;
  napi_value values[kMaxArguments];
};

napi_value invoke_tensor(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments arguments(env, info);
    Instance& instance = *arguments.instance;
    const auto& plan = read_plan(instance, arguments.values[0]);
    at::Tensor result;
    if (plan.unboxed != Unboxed::none && !instance.recording) {
      try {
        result = call_unboxed(instance, plan, arguments.values + 1, arguments.count - 1);
      } catch (...) {
        torch::jit::Stack stack;
        call_again(instance, plan, arguments.values + 1, arguments.count - 1, stack);
        if (stack.front().isTensor()) result = std::move(stack.front()).toTensor();
      }
    } else {
      torch::jit::Stack stack;
      call(instance, plan, arguments.values + 1, arguments.count - 1, stack);
      if (stack.front().isTensor()) result = std::move(stack.front()).toTensor();
    }
    if (!result.defined()) [[unlikely]]
      return make_number(env, 0);
    return make_number(env, instance.handles.add(std::move(result), !plan.returns[0].aliased));
  });
}

napi_value invoke(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments arguments(env, info);
    Instance& instance = *arguments.instance;
    torch::jit::Stack stack;
    const auto& plan = read_plan(instance, arguments.values[0]);
    call(instance, plan, arguments.values + 1, arguments.count - 1, stack);
    napi_value result;
    napi_get_undefined(env, &result);
    const auto convert = [&](size_t i) -> napi_value {
      // An argument that comes back: lib/dispatch.ts has the object already.
      if (plan.returns[i].same_as >= 0) {
        napi_value none;
        napi_get_undefined(env, &none);
        return none;
      }
      return to_js(instance, stack[i], plan.returns[i]);
    };
    if (stack.size() == 1) return convert(0);
    if (stack.size() > 1) {
      check(env, napi_create_array_with_length(env, stack.size(), &result));
      for (size_t i = 0; i < stack.size(); i++) check(env, napi_set_element(env, result, i, convert(i)));
    }
    return result;
  });
}

}  // namespace

const OperatorPlan& plan_at(uint32_t op) {
  auto& plans = registry().plans;
  const auto* plan = op < plans.size() ? plans[op].load(std::memory_order_acquire) : nullptr;
  if (plan == nullptr) [[unlikely]]
    fail(Code::internal, "No operator has the number " + std::to_string(op) + ".");
  return *plan;
}

void register_dispatch(Napi::Env env, Napi::Object exports) {
  exports["operatorNames"] = Napi::Function::New(env, operator_names, "operatorNames");
  exports["family"] = Napi::Function::New(env, family, "family");
  const auto hot = [&](const char* name, napi_callback callback) {
    napi_value function;
    check(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, Instance::of(env), &function));
    exports[name] = Napi::Value(env, function);
  };
  hot("invokeTensor", invoke_tensor);
  hot("invoke", invoke);
}

}  // namespace steppe
