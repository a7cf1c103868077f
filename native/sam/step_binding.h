#pragma once
#include <napi.h>

#include <memory>

#include "../functions.h"
#include "engine.h"

namespace steppe::sam {

// The engine that a call's first argument is the number of.
std::shared_ptr<Engine> engine_of(Call& call);

// engineSignature, engineStep, engineStepAgain, engineStepClosure, engineStepStored.
void register_steps(Napi::Env env, Napi::Object exports);

}  // namespace steppe::sam
