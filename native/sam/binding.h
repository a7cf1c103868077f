#pragma once
#include <napi.h>

namespace steppe::sam {

// The step engine for lib/optim: engineCreate, engineConfigure, engineStep, engineStepClosure, engineStepStored, engineState, engineLoadState.
void register_engine(Napi::Env env, Napi::Object exports);

}  // namespace steppe::sam
