#pragma once
#include <napi.h>

namespace steppe {

// What is known of a tensor without calling an operator, copies of its data in and out, and its life:
//   shape stride dtype device layout storageOffset isLeaf gradFn requiresGrad setRequiresGrad setData
//   fromBytes toBytes release track alive, scopes, memory figures and sweeps
void register_tensor_access(Napi::Env env, Napi::Object exports);

}  // namespace steppe
