#pragma once
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>

#include <string>

namespace steppe {

// The defined tensors of an operator's argument or result: itself, or those in a list.
template <class Visit>
void each_tensor(const c10::IValue& value, Visit visit) {
  if (value.isTensor()) {
    if (value.toTensor().defined()) visit(value.toTensor());
  } else if (value.isList()) {
    for (const auto& element : value.toListRef())
      if (element.isTensor() && element.toTensor().defined()) visit(element.toTensor());
  }
}

inline std::string readable(const c10::OperatorHandle& op) { return c10::toString(op.operator_name()); }

// Whether the result, or its shape, depends on values: then a program cannot hold it.
bool depends_on_values(const c10::OperatorHandle& op, c10::ArrayRef<const c10::IValue> inputs);

}  // namespace steppe
