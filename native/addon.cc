#include <napi.h>

#include "autograd.h"
#include "checkpoint.h"
#include "data/binding.h"
#include "device/binding.h"
#include "dispatch.h"
#include "functions.h"
#include "instance_data.h"
#include "program_binding.h"
#include "random.h"
#include "sam/binding.h"
#include "step_memory.h"
#include "tensor_access.h"
#include "version.h"

namespace steppe {
namespace {

// initialize({ createError, collect, openNest }): what the addon needs of lib/.
Napi::Value initialize(Call& call) {
  const auto hooks = call.value(0).As<Napi::Object>();
  call.instance().create_error = Napi::Persistent(hooks.Get("createError").As<Napi::Function>());
  call.instance().collector = Napi::Persistent(hooks.Get("collect").As<Napi::Function>());
  auto open_nest = hooks.Get("openNest").As<Napi::Float64Array>();
  if (open_nest.ElementLength() != Handles::kNestSize + 1) fail(Code::internal, "The addon and lib/ are of different versions: build both.");
  call.instance().open_nest = Napi::Persistent(open_nest.As<Napi::Object>());
  call.instance().handles.set_open_nest(open_nest.Data());
  return call.env().Undefined();
}

// stop(): nothing of this environment runs any more. process.exit() runs no cleanup hooks, and LibTorch's static
// destructors must not find the training thread at work.
Napi::Value stop(Call& call) {
  call.instance().stop();
  return call.env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData<Instance>(new Instance(env));
  env.AddCleanupHook([instance = Instance::of(env)] { instance->shut_down(); });
  define<initialize>(env, exports, "initialize");
  define<stop>(env, exports, "stop");
  StepMemory::install();
  register_version(env, exports);
  register_dispatch(env, exports);
  register_tensor_access(env, exports);
  register_autograd(env, exports);
  register_checkpoints(env, exports);
  register_random(env, exports);
  device::register_devices(env, exports);
  register_programs(env, exports);
  sam::register_engine(env, exports);
  data::register_data(env, exports);
  return exports;
}

}  // namespace
}  // namespace steppe

using steppe::init;
NODE_API_MODULE(steppe, init)
