#pragma once
#include <napi.h>

namespace steppe {

// backward, grad, grad mode, and a tensor's `.grad`.
void register_autograd(Napi::Env env, Napi::Object exports);

}  // namespace steppe
