#pragma once
#include <napi.h>

namespace steppe::device {

// Devices, their memory, streams and events: what lib/cuda/ calls.
void register_devices(Napi::Env env, Napi::Object exports);
void register_streams(Napi::Env env, Napi::Object exports);
// How kernels compute, where there is a choice: what lib/backends.ts calls.
void register_backends(Napi::Env env, Napi::Object exports);

}  // namespace steppe::device
