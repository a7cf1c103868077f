#pragma once
#include <napi.h>

namespace steppe {

// Recording and programs for lib/: recordBegin, recordEnd, recordAbort, programText, programRun, freeProgram.
void register_programs(Napi::Env env, Napi::Object exports);

}  // namespace steppe
