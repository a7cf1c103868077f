#include "autograd.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "dtypes.h"
#include "functions.h"
#include "recorder.h"

namespace steppe {
namespace {

Napi::Value handle_or_null(Call& call, const at::Tensor& tensor) {
  if (!tensor.defined()) return call.env().Null();
  return Napi::Number::New(call.env(), call.instance().handles.add(tensor, false));
}

// backward(outputs, gradOutputs, retainGraph | null, createGraph, inputs)
Napi::Value backward(Call& call) {
  Recorder::refuse_read(call.instance(), "backward()");
  const auto outputs = call.tensors(0, "outputs");
  const auto grads = call.tensors(1, "gradOutputs");
  const auto retain = call.has(2) ? std::optional(call.boolean(2, "retainGraph")) : std::nullopt;
  torch::autograd::backward(outputs, grads, retain, call.boolean(3, "createGraph"), call.tensors(4, "inputs"));
  return call.env().Undefined();
}

// gradients(outputs, inputs, gradOutputs, retainGraph | null, createGraph, allowUnused): (handle | null)[]
Napi::Value gradients(Call& call) {
  // With a graph of its own the backward is operators like any others, to be differentiated again.
  if (!call.boolean(4, "createGraph")) Recorder::refuse_read(call.instance(), "autograd.grad() without createGraph");
  const auto retain = call.has(3) ? std::optional(call.boolean(3, "retainGraph")) : std::nullopt;
  const auto grads = torch::autograd::grad(call.tensors(0, "outputs"), call.tensors(1, "inputs"), call.tensors(2, "gradOutputs"), retain,
                                           call.boolean(4, "createGraph"), call.boolean(5, "allowUnused"));
  auto result = Napi::Array::New(call.env(), grads.size());
  for (size_t i = 0; i < grads.size(); i++) result[i] = handle_or_null(call, grads[i]);
  return result;
}

Napi::Value grad(Call& call) { return handle_or_null(call, call.tensor(0).grad()); }

Napi::Value set_grad(Call& call) {
  at::Tensor tensor = call.tensor(0);
  if (!call.has(1)) {
    tensor.mutable_grad() = at::Tensor();
    return call.env().Undefined();
  }
  const auto& value = call.tensor(1);
  if (!value.sizes().equals(tensor.sizes()) || value.scalar_type() != tensor.scalar_type() || value.device() != tensor.device()) {
    fail(Code::argument, "Expected a gradient of the tensor's own shape, dtype and device for grad.");
  }
  tensor.mutable_grad() = value;
  return call.env().Undefined();
}

Napi::Value retain_grad(Call& call) {
  call.tensor(0).retain_grad();
  return call.env().Undefined();
}

Napi::Value grad_mode(Call& call) { return Napi::Boolean::New(call.env(), at::GradMode::is_enabled()); }
Napi::Value set_grad_mode(Call& call) {
  at::GradMode::set_enabled(call.boolean(0, "enabled"));
  return call.env().Undefined();
}

// swapAutocast(device, enabled, dtype): { enabled, dtype }, what was set before
Napi::Value swap_autocast(Call& call) {
  const auto device = parse_device(call.string(0, "device"), "device").type();
  const bool enabled = call.boolean(1, "enabled");
  auto before = Napi::Object::New(call.env());
  before["enabled"] = at::autocast::is_autocast_enabled(device);
  before["dtype"] = dtype_name(at::autocast::get_autocast_dtype(device));
  at::autocast::set_autocast_enabled(device, enabled);
  at::autocast::set_autocast_dtype(device, parse_dtype(call.string(2, "dtype"), "dtype"));
  // The weights that were cast live as long as one region.
  at::autocast::clear_cache();
  return before;
}

}  // namespace

void register_autograd(Napi::Env env, Napi::Object exports) {
  define<backward>(env, exports, "backward");
  define<gradients>(env, exports, "gradients");
  define<grad>(env, exports, "grad");
  define<set_grad>(env, exports, "setGrad");
  define<retain_grad>(env, exports, "retainGrad");
  define<grad_mode>(env, exports, "gradMode");
  define<set_grad_mode>(env, exports, "setGradMode");
  define<swap_autocast>(env, exports, "swapAutocast");
}

}  // namespace steppe
