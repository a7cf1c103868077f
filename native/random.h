#pragma once
#include <napi.h>

namespace steppe {

// Seeds and generators. Same seed, same numbers as PyTorch on the same LibTorch: they are LibTorch's own generators.
void register_random(Napi::Env env, Napi::Object exports);

}  // namespace steppe
