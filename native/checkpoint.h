#pragma once
#include <napi.h>

namespace steppe {

// Gradient checkpointing: what a part of the loss function saves for its backward is computed again when the backward
// comes to it.
//
// Whether the backward of any graph that is alive may call such a part, which is JavaScript.
bool has_checkpoints();

void register_checkpoints(Napi::Env env, Napi::Object exports);

}  // namespace steppe
