#include "errors.h"

#include <c10/util/Exception.h>
#include <napi.h>

#include <algorithm>
#include <initializer_list>

#include "instance_data.h"

namespace steppe {

const char* code_name(Code code) {
  switch (code) {
    case Code::argument: return "ARGUMENT";
    case Code::operation: return "OPERATOR";
    case Code::disposed: return "DISPOSED";
    case Code::record: return "RECORD";
    case Code::non_finite: return "NON_FINITE";
    case Code::out_of_memory: return "OUT_OF_MEMORY";
    case Code::device: return "DEVICE";
    case Code::closed: return "CLOSED";
    case Code::internal: return "INTERNAL";
  }
  return "INTERNAL";
}

void fail(Code code, const std::string& message) { throw Failure(code, message); }

void fail_expected(const std::string& what, const std::string& name, const std::string& received) {
  fail(Code::argument, "Expected " + what + " for " + name + " but received " + received + ".");
}

namespace {

bool holds_any(const std::string& message, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(), [&](const char* each) { return message.find(each) != std::string::npos; });
}

// CPU allocations that fail are plain c10::Errors: only their text tells. So is what CUDA and its libraries say where they want
// memory past LibTorch's allocator: for a context, a handle, a graph, pinned pages.
bool is_out_of_memory(const std::string& message) {
  return holds_any(message, {"can't allocate memory", "not enough memory", "CUDA error: out of memory", "_ALLOC_FAILED", "ALLOCATION_FAILED"});
}

// What LibTorch says where a GPU is asked for and there is none: in many words, of no type of their own.
bool is_want_of_device(const std::string& message) {
  return holds_any(message, {"no pinned memory allocator is available", "Cannot access accelerator device when none is available", "Found no NVIDIA driver",
                             "no CUDA-capable device is detected", "No CUDA GPUs are available", "CUDA driver version is insufficient"});
}

Code code_of(const std::string& message) {
  return is_out_of_memory(message) ? Code::out_of_memory : is_want_of_device(message) ? Code::device : Code::operation;
}

}  // namespace

Failure current_failure() noexcept {
  try {
    throw;
  } catch (const Failure& failure) {
    return failure;
  } catch (const c10::OutOfMemoryError& error) {
    return {Code::out_of_memory, error.what_without_backtrace()};
  } catch (const c10::Error& error) {
    std::string message = error.what_without_backtrace();
    return {code_of(message), message};
  } catch (const std::bad_alloc&) {
    return {Code::out_of_memory, "Not enough memory."};
  } catch (const std::exception& error) {
    return {Code::operation, error.what()};
  } catch (...) {
    return {Code::internal, "An exception of unknown type was thrown."};
  }
}

bool is_out_of_memory() noexcept { return current_failure().code == Code::out_of_memory; }

napi_value make_js_error(napi_env env, const Failure& failure) {
  auto* instance = Instance::of(env);
  // Work goes on after this error: with as much memory as there can be.
  if (instance != nullptr && failure.code == Code::out_of_memory) {
    if (!instance->memory_is_free) instance->free_memory();
    instance->memory_is_free = false;
  }
  if (instance != nullptr && !instance->create_error.IsEmpty()) {
    return call_js(env, instance->create_error.Value(), {Napi::String::New(env, code_name(failure.code)), Napi::String::New(env, failure.what())});
  }
  napi_value error = nullptr;
  check(env, napi_create_error(env, Napi::String::New(env, code_name(failure.code)), Napi::String::New(env, failure.what()), &error));
  return error;
}

napi_value call_js(napi_env env, napi_value function, std::initializer_list<napi_value> arguments) {
  napi_value undefined = nullptr, result = nullptr;
  napi_get_undefined(env, &undefined);
  if (napi_call_function(env, undefined, function, arguments.size(), arguments.begin(), &result) != napi_ok) throw PendingException{};
  return result;
}

void throw_into_js(napi_env env, const Failure& failure) noexcept {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) return;
  try {
    napi_throw(env, make_js_error(env, failure));
  } catch (...) {
    napi_throw_error(env, code_name(failure.code), failure.what());
  }
}

}  // namespace steppe
