#pragma once
#include <napi.h>

#include "convert.h"

namespace steppe {

// The binding of all operators: names and schemas out, calls in. Overloads are chosen in lib/dispatch.ts.
//   operatorNames(): string[]                      "aten::add.Tensor", sorted
//   family(name): Overload[]                       the overloads of "aten::add", with their arguments
//   invokeTensor(op, ...values): number            one tensor comes back: its handle, 0 if it is undefined
//   invoke(op, ...values): unknown                 any other result
void register_dispatch(Napi::Env env, Napi::Object exports);

// The schema of an operator as LibTorch prints it.
const OperatorPlan& plan_at(uint32_t op);

}  // namespace steppe
