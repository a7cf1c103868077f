#pragma once
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>
#include <node_api.h>

#include <string>
#include <vector>

#include "instance_data.h"
#include "js_values.h"

namespace steppe {

// What a schema says of one argument, in the form that the hot path wants.
enum class Kind : uint8_t {
  tensor, integer, real, boolean, scalar, string, dtype, layout, device, memory_format, generator,
  unsupported  // TorchScript classes, streams, storages: no value of JavaScript stands for them
};

const char* kind_name(Kind kind);

struct ArgumentPlan {
  std::string name;
  Kind kind = Kind::unsupported;
  bool list = false;
  bool optional = false;          // None is allowed
  bool optional_elements = false; // Tensor?[]
  int32_t fixed_size = 0;         // int[2]: a single number stands for two
  bool keyword_only = false;
  bool write = false;             // the operator changes it
  bool out = false;               // keyword-only and written: an `out` argument
  bool has_default = false;
  c10::IValue default_value;
};

struct ReturnPlan {
  Kind kind = Kind::unsupported;
  bool list = false;
  bool optional = false;
  bool aliased = false;  // it may share an argument's storage
  int32_t same_as = -1;  // index of the argument that comes back changed, else -1
};

// Signatures that return one tensor and are called as C++ functions (see unboxed.h): t a tensor, s a Scalar.
enum class Unboxed : uint8_t { none, t, tt, ts, tts };

struct OperatorPlan {
  c10::OperatorHandle handle;
  std::string name;  // aten::add.Tensor
  std::vector<ArgumentPlan> arguments;
  std::vector<ReturnPlan> returns;
  Unboxed unboxed = Unboxed::none;
  bool data_dependent = false;  // its result's value or shape depends on values: cannot be recorded
};

OperatorPlan make_plan(const c10::OperatorHandle& handle);

// A JavaScript value as the IValue that the schema wants. Tensors and generators come as handles (numbers).
c10::IValue to_ivalue(Instance& instance, napi_value value, const ArgumentPlan& argument);

const at::Tensor& to_tensor(Instance& instance, napi_value value, const ArgumentPlan& argument);
at::Scalar to_scalar(Instance& instance, napi_value value, const ArgumentPlan& argument);
[[noreturn]] void fail_missing(const OperatorPlan& plan, size_t argument);

// The way back. Tensors become fresh handles, which lib/dispatch.ts ties to objects.
napi_value to_js(Instance& instance, const c10::IValue& value, const ReturnPlan& plan);

}  // namespace steppe
