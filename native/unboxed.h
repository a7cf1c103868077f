#pragma once
#include "convert.h"

namespace steppe {

// Small operators are worth calling without a stack of boxed values between: the commonest signatures that return one
// tensor are called as the C++ functions that they are.

// The signature of an operator, if it is one of those.
Unboxed unboxed_signature(const OperatorPlan& plan);

// Calls such an operator. Arguments that are missing take their defaults.
at::Tensor call_unboxed(Instance& instance, const OperatorPlan& plan, const napi_value* values, size_t count);

}  // namespace steppe
