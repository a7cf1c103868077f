#include "unboxed.h"

namespace steppe {
namespace {

using at::Scalar, at::Tensor;
using OfTensor = Tensor(const Tensor&);
using OfTensors = Tensor(const Tensor&, const Tensor&);
using OfTensorAndScalar = Tensor(const Tensor&, const Scalar&);
using OfTensorsAndScalar = Tensor(const Tensor&, const Tensor&, const Scalar&);

template <class Signature>
bool fits(const c10::OperatorHandle& handle) {
  try {
    handle.typed<Signature>();
    return true;
  } catch (const c10::Error&) {
    return false;  // registered with another C++ signature than its schema suggests
  }
}

}  // namespace

Unboxed unboxed_signature(const OperatorPlan& plan) {
  if (plan.returns.size() != 1 || plan.returns[0].kind != Kind::tensor || plan.returns[0].list || plan.returns[0].same_as >= 0) return Unboxed::none;
  std::string signature;
  for (const auto& argument : plan.arguments) {
    if (argument.list || argument.optional || argument.write) return Unboxed::none;
    signature += argument.kind == Kind::tensor ? 't' : argument.kind == Kind::scalar ? 's' : '?';
  }
  if (signature == "t" && fits<OfTensor>(plan.handle)) return Unboxed::t;
  if (signature == "tt" && fits<OfTensors>(plan.handle)) return Unboxed::tt;
  if (signature == "ts" && fits<OfTensorAndScalar>(plan.handle)) return Unboxed::ts;
  if (signature == "tts" && fits<OfTensorsAndScalar>(plan.handle)) return Unboxed::tts;
  return Unboxed::none;
}

at::Tensor call_unboxed(Instance& instance, const OperatorPlan& plan, const napi_value* values, size_t count) {
  const auto tensor = [&](size_t i) -> const Tensor& {
    if (i >= count) fail_missing(plan, i);
    return to_tensor(instance, values[i], plan.arguments[i]);
  };
  const auto scalar = [&](size_t i) -> Scalar {
    if (i < count) return to_scalar(instance, values[i], plan.arguments[i]);
    if (!plan.arguments[i].has_default) fail_missing(plan, i);
    return plan.arguments[i].default_value.toScalar();
  };
  switch (plan.unboxed) {
    case Unboxed::t: return plan.handle.typed<OfTensor>().call(tensor(0));
    case Unboxed::tt: return plan.handle.typed<OfTensors>().call(tensor(0), tensor(1));
    case Unboxed::ts: {
      // Before the tensor, which is a reference: reading {re, im} may run a getter, and that may make or free tensors.
      const Scalar last = scalar(1);
      return plan.handle.typed<OfTensorAndScalar>().call(tensor(0), last);
    }
    case Unboxed::tts: {
      const Scalar last = scalar(2);
      return plan.handle.typed<OfTensorsAndScalar>().call(tensor(0), tensor(1), last);
    }
    case Unboxed::none: break;
  }
  fail(Code::internal, plan.name + " cannot be called unboxed.");
}

}  // namespace steppe
