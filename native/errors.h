#pragma once
#include <node_api.h>

#include <exception>
#include <initializer_list>
#include <stdexcept>
#include <string>

namespace steppe {

// Mirrors SteppeErrorCode of lib/errors.ts.
enum class Code { argument, operation, disposed, record, non_finite, out_of_memory, device, closed, internal };

const char* code_name(Code code);

// The one exception type of the addon. Everything else that flies is translated into it by `current_failure`.
class Failure : public std::runtime_error {
 public:
  Failure(Code code, const std::string& message) : std::runtime_error(message), code(code) {}
  Code code;
};

[[noreturn]] void fail(Code code, const std::string& message);

// "Expected X for NAME but received Y."
[[noreturn]] void fail_expected(const std::string& what, const std::string& name, const std::string& received);

// Inside a catch block: what is in flight, in the addon's words. C++ backtraces are left out.
Failure current_failure() noexcept;

// Whether that is a lack of memory, of any kind. Inside a catch block.
bool is_out_of_memory() noexcept;

// Throws a SteppeError into JavaScript, unless an exception is already pending there.
void throw_into_js(napi_env env, const Failure& failure) noexcept;

// A SteppeError object, to reject a promise with.
napi_value make_js_error(napi_env env, const Failure& failure);

// Thrown where JavaScript already has an exception pending, or runs no more since its worker is being terminated: unwinds C++, autograd's
// engine, too, and leaves that exception as it is.
struct PendingException : std::exception {};

// Calls a function of JavaScript; throws PendingException if it throws, or cannot run. Napi::Function::Call would make an error object
// of that, which a worker that is being terminated cannot, and node-addon-api then aborts the process.
napi_value call_js(napi_env env, napi_value function, std::initializer_list<napi_value> arguments);

// A Node-API call that can fail only because JavaScript threw, or because of a defect here.
inline void check(napi_env env, napi_status status) {
  if (status == napi_ok) [[likely]]
    return;
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) throw PendingException{};
  fail(Code::internal, "Node-API call failed with status " + std::to_string(static_cast<int>(status)) + ".");
}

// The funnel: runs the body of a native function; whatever it throws becomes one JavaScript exception.
template <class Body>
napi_value guarded(napi_env env, Body&& body) noexcept {
  try {
    return body();
  } catch (const PendingException&) {
    return nullptr;
  } catch (...) {
    throw_into_js(env, current_failure());
    return nullptr;
  }
}

}  // namespace steppe
