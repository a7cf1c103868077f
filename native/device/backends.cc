#include <ATen/Context.h>

#include <map>

#include "../functions.h"
#include "binding.h"

namespace steppe::device {
namespace {

struct Switch {
  bool (*get)(const at::Context&);
  void (*set)(at::Context&, bool);
};

const Switch& switch_of(const std::string& name) {
  static const std::map<std::string, Switch> switches = {
      {"cudnn.enabled", {[](const at::Context& c) { return c.userEnabledCuDNN(); }, [](at::Context& c, bool on) { c.setUserEnabledCuDNN(on); }}},
      {"cudnn.benchmark", {[](const at::Context& c) { return c.benchmarkCuDNN(); }, [](at::Context& c, bool on) { c.setBenchmarkCuDNN(on); }}},
      {"cudnn.deterministic", {[](const at::Context& c) { return c.deterministicCuDNN(); }, [](at::Context& c, bool on) { c.setDeterministicCuDNN(on); }}},
      {"cudnn.allowTf32", {[](const at::Context& c) { return c.allowTF32CuDNN(); }, [](at::Context& c, bool on) { c.setAllowTF32CuDNN(on); }}},
  };
  const auto found = switches.find(name);
  if (found == switches.end()) fail(Code::internal, "No switch is called " + name + ".");
  return found->second;
}

// backendSwitch(name): boolean
Napi::Value backend_switch(Call& call) { return Napi::Boolean::New(call.env(), switch_of(call.string(0, "name")).get(at::globalContext())); }

// setBackendSwitch(name, value)
Napi::Value set_backend_switch(Call& call) {
  switch_of(call.string(0, "name")).set(at::globalContext(), call.boolean(1, "value"));
  return call.env().Undefined();
}

// matmulPrecision(): "highest", "high" or "medium"
Napi::Value matmul_precision(Call& call) {
  switch (at::globalContext().float32MatmulPrecision()) {
    case at::Float32MatmulPrecision::HIGHEST: return Napi::String::New(call.env(), "highest");
    case at::Float32MatmulPrecision::HIGH: return Napi::String::New(call.env(), "high");
    case at::Float32MatmulPrecision::MEDIUM: return Napi::String::New(call.env(), "medium");
  }
  fail(Code::internal, "LibTorch knows a precision of matrix products that is not known here.");
}

Napi::Value set_matmul_precision(Call& call) {
  at::globalContext().setFloat32MatmulPrecision(call.string(0, "precision"));
  return call.env().Undefined();
}

}  // namespace

void register_backends(Napi::Env env, Napi::Object exports) {
  define<backend_switch>(env, exports, "backendSwitch");
  define<set_backend_switch>(env, exports, "setBackendSwitch");
  define<matmul_precision>(env, exports, "matmulPrecision");
  define<set_matmul_precision>(env, exports, "setMatmulPrecision");
}

}  // namespace steppe::device
