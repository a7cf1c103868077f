#include "tensor_access.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>

#include "convert.h"
#include "dtypes.h"
#include "functions.h"
#include "recorder.h"
#include "step_memory.h"

namespace steppe {
namespace {

Napi::Value numbers(Napi::Env env, c10::IntArrayRef values) {
  auto result = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); i++) result[i] = static_cast<double>(values[i]);
  return result;
}

Napi::Value shape(Call& call) { return numbers(call.env(), call.tensor(0).sizes()); }
Napi::Value stride(Call& call) {
  const auto& tensor = call.tensor(0);
  if (tensor.layout() != at::kStrided) fail(Code::argument, std::string("A tensor of layout ") + layout_name(tensor.layout()) + " has no strides.");
  return numbers(call.env(), tensor.strides());
}
Napi::Value dtype(Call& call) { return Napi::String::New(call.env(), dtype_name(call.tensor(0).scalar_type())); }
Napi::Value device_name(Call& call) { return Napi::String::New(call.env(), call.tensor(0).device().str()); }
Napi::Value layout(Call& call) { return Napi::String::New(call.env(), layout_name(call.tensor(0).layout())); }
Napi::Value numel(Call& call) { return Napi::Number::New(call.env(), static_cast<double>(call.tensor(0).numel())); }
Napi::Value dim(Call& call) { return Napi::Number::New(call.env(), static_cast<double>(call.tensor(0).dim())); }
Napi::Value item_size(Call& call) { return Napi::Number::New(call.env(), static_cast<double>(call.tensor(0).element_size())); }
Napi::Value storage_offset(Call& call) { return Napi::Number::New(call.env(), static_cast<double>(call.tensor(0).storage_offset())); }
Napi::Value is_leaf(Call& call) { return Napi::Boolean::New(call.env(), call.tensor(0).is_leaf()); }
Napi::Value requires_grad(Call& call) { return Napi::Boolean::New(call.env(), call.tensor(0).requires_grad()); }

// Where the data lies, as a string: tells tests and users whether two tensors share memory.
Napi::Value data_pointer(Call& call) {
  const auto& tensor = call.tensor(0);
  const auto address = tensor.has_storage() ? reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) : 0;
  return Napi::String::New(call.env(), std::to_string(address));
}

Napi::Value grad_fn(Call& call) {
  const auto& node = call.tensor(0).grad_fn();
  return node == nullptr ? call.env().Null() : Napi::String::New(call.env(), node->name());
}

Napi::Value set_requires_grad(Call& call) {
  at::Tensor tensor = call.tensor(0);
  const bool wanted = call.boolean(1, "requiresGrad");
  if (wanted && !torch::autograd::isDifferentiableType(tensor.scalar_type())) {
    fail(Code::argument, std::string("Only tensors of a floating or complex dtype can require gradients, and this one is ") +
                             dtype_name(tensor.scalar_type()) + ". Give a dtype such as \"float32\".");
  }
  if (!wanted && !tensor.is_leaf()) {
    fail(Code::argument, "A tensor that was computed from others that require gradients cannot stop requiring them. Use detach() for the same data outside autograd.");
  }
  tensor.set_requires_grad(wanted);
  return call.env().Undefined();
}

Napi::Value set_data(Call& call) {
  at::Tensor tensor = call.tensor(0);
  tensor.set_data(call.tensor(1));
  return call.env().Undefined();
}

Napi::Value from_bytes(Call& call) {
  const auto bytes = call.bytes(0, "bytes");
  const auto type = parse_dtype(call.string(1, "dtype"), "dtype");
  const auto sizes = call.integers(2, "shape");
  int64_t elements = 1;
  for (const auto size : sizes) {
    if (size < 0 || (size > 0 && elements > (int64_t{1} << 53) / size)) fail(Code::argument, "Expected sizes of at least 0 and of a plausible product for shape.");
    elements *= size;
  }
  const auto width = static_cast<int64_t>(c10::elementSize(type));
  if (elements * width != static_cast<int64_t>(bytes.second)) {
    fail(Code::argument, "Expected " + std::to_string(elements * width) + " bytes for the shape and dtype but received " + std::to_string(bytes.second) + ".");
  }
  at::Tensor tensor;
  {
    // Data from JavaScript is no operator's result: a recorder takes it as a constant.
    Recorder::Constants constants;
    tensor = call.instance().with_memory([&] { return at::empty(sizes, at::TensorOptions().dtype(type)); });
    if (elements > 0) std::memcpy(tensor.mutable_data_ptr(), bytes.first, bytes.second);
  }
  return Napi::Number::New(call.env(), call.instance().handles.add(std::move(tensor), true));
}

// copyUnrecorded(tensor): a copy that no recorder sees.
Napi::Value copy_unrecorded(Call& call) {
  const auto& tensor = call.tensor(0);
  at::NoGradGuard no_grad;
  Recorder::Constants constants;
  return Napi::Number::New(call.env(), call.instance().handles.add(tensor.detach().clone(), true));
}

// toBytes(tensor, dtype | null, caller): a copy in row-major order, converted if a dtype is given.
Napi::Value to_bytes(Call& call) {
  const auto& tensor = call.tensor(0);
  Recorder::refuse_read(call.instance(), call.string(2, "caller"));
  if (tensor.is_meta()) fail(Code::argument, "A tensor on the meta device holds no data to read.");
  at::NoGradGuard no_grad;
  at::Tensor plain = tensor.detach();
  if (plain.layout() != at::kStrided) plain = plain.to_dense();
  plain = plain.resolve_conj().resolve_neg().to(at::kCPU);
  if (call.has(1)) plain = plain.to(parse_dtype(call.string(1, "dtype"), "dtype"));
  plain = plain.contiguous();
  auto buffer = Napi::ArrayBuffer::New(call.env(), plain.nbytes());
  if (plain.nbytes() > 0) std::memcpy(buffer.Data(), plain.const_data_ptr(), plain.nbytes());
  return buffer;
}

Napi::Value seal_nest(Call& call) {
  call.instance().handles.seal(call.value(0), static_cast<size_t>(call.integer(1, "count")));
  return call.env().Undefined();
}
Napi::Value release(Call& call) {
  call.instance().handles.release(call.number(0, "handle"));
  return call.env().Undefined();
}
Napi::Value alive(Call& call) { return Napi::Boolean::New(call.env(), call.instance().handles.alive(call.number(0, "handle"))); }

Napi::Value set_scope(Call& call) {
  call.instance().handles.set_scope(static_cast<uint32_t>(call.integer(0, "scope")));
  return call.env().Undefined();
}
Napi::Value move_to_scope(Call& call) {
  call.instance().handles.move_to_scope(call.number(0, "handle"), static_cast<uint32_t>(call.integer(1, "scope")));
  return call.env().Undefined();
}
Napi::Value release_scope(Call& call) {
  call.instance().handles.release_scope(static_cast<uint32_t>(call.integer(0, "scope")));
  return call.env().Undefined();
}

Napi::Value memory(Call& call) {
  const auto figures = call.instance().handles.figures();
  auto result = Napi::Object::New(call.env());
  result["tensors"] = static_cast<double>(figures.tensors);
  result["bytes"] = static_cast<double>(figures.bytes);
  result["sweeps"] = static_cast<double>(figures.sweeps);
  result["stepBytes"] = static_cast<double>(StepMemory::figures().most_used);
  return result;
}
Napi::Value sweep(Call& call) {
  call.instance().handles.sweep(true);
  StepMemory::release();
  return call.env().Undefined();
}
Napi::Value set_memory_limits(Call& call) {
  call.instance().handles.set_limits(static_cast<uint64_t>(call.integer(0, "bytes")), static_cast<uint64_t>(call.integer(1, "count")));
  return call.env().Undefined();
}

Napi::Value set_num_threads(Call& call) {
  at::set_num_threads(static_cast<int>(call.integer(0, "threads")));
  return call.env().Undefined();
}
Napi::Value get_num_threads(Call& call) { return Napi::Number::New(call.env(), at::get_num_threads()); }

}  // namespace

void register_tensor_access(Napi::Env env, Napi::Object exports) {
  define<shape>(env, exports, "shape");
  define<stride>(env, exports, "stride");
  define<dtype>(env, exports, "dtype");
  define<device_name>(env, exports, "device");
  define<layout>(env, exports, "layout");
  define<numel>(env, exports, "numel");
  define<dim>(env, exports, "dim");
  define<item_size>(env, exports, "itemSize");
  define<storage_offset>(env, exports, "storageOffset");
  define<data_pointer>(env, exports, "dataPointer");
  define<is_leaf>(env, exports, "isLeaf");
  define<requires_grad>(env, exports, "requiresGrad");
  define<grad_fn>(env, exports, "gradFn");
  define<set_requires_grad>(env, exports, "setRequiresGrad");
  define<set_data>(env, exports, "setData");
  define<from_bytes>(env, exports, "fromBytes");
  define<to_bytes>(env, exports, "toBytes");
  define<copy_unrecorded>(env, exports, "copyUnrecorded");
  define<seal_nest>(env, exports, "sealNest");
  define<release>(env, exports, "release");
  define<alive>(env, exports, "alive");
  define<set_scope>(env, exports, "setScope");
  define<move_to_scope>(env, exports, "moveToScope");
  define<release_scope>(env, exports, "releaseScope");
  define<memory>(env, exports, "memory");
  define<sweep>(env, exports, "sweep");
  define<set_memory_limits>(env, exports, "setMemoryLimits");
  define<set_num_threads>(env, exports, "setNumThreads");
  define<get_num_threads>(env, exports, "getNumThreads");
}

}  // namespace steppe
