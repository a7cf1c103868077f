#pragma once
#include <napi.h>

namespace steppe {

// version(): what the addon was built for and what it runs on.
void register_version(Napi::Env env, Napi::Object exports);

}  // namespace steppe
