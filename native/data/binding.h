#pragma once
#include <napi.h>

namespace steppe::data {

// Batches of data sets in memory, gathered and transformed, here and now or on the loading thread.
void register_data(Napi::Env env, Napi::Object exports);

}  // namespace steppe::data
