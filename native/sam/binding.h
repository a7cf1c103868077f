#pragma once
#include <napi.h>

namespace steppe::sam {

// The step engine for lib/optim: engines, their settings, state and figures. What takes steps is in step_binding.h.
void register_engine(Napi::Env env, Napi::Object exports);

}  // namespace steppe::sam
