#include "recorder_shapes.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/OpMathType.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/empty_strided.h>
#include <c10/core/MemoryFormat.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <c10/util/strides.h>
#include <torch/library.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "convert.h"
#include "recorder_values.h"

namespace steppe {

#if TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR >= 13

namespace {

constexpr auto kKey = c10::DispatchKey::Fake;  // right above the kernels; without LibTorch's own use here

thread_local int alive = 0;
thread_local int64_t least = 0;

// What a result will be, before it has memory.
struct Shape {
  std::vector<int64_t> sizes, strides;
  at::ScalarType dtype;

  static Shape contiguous(at::IntArrayRef sizes, at::ScalarType dtype) {
    const auto strides = c10::contiguous_strides(sizes);
    return {sizes.vec(), {strides.begin(), strides.end()}, dtype};
  }
  static Shape in_order(at::IntArrayRef sizes, at::MemoryFormat order, at::ScalarType dtype) {
    if (order == at::MemoryFormat::ChannelsLast) return {sizes.vec(), c10::get_channels_last_strides_2d(sizes), dtype};
    if (order == at::MemoryFormat::ChannelsLast3d) return {sizes.vec(), c10::get_channels_last_strides_3d(sizes), dtype};
    return contiguous(sizes, dtype);
  }
};
using Shapes = std::vector<Shape>;
using Stack = torch::jit::Stack;

// A tensor as this one, without memory.
at::Tensor hollow(const at::Tensor& tensor) {
  if (!tensor.defined()) return tensor;
  auto result = at::empty_strided(tensor.sizes(), tensor.strides(), tensor.options().device(at::kMeta));
  if (tensor.unsafeGetTensorImpl()->is_wrapped_number()) result.unsafeGetTensorImpl()->set_wrapped_number(true);
  return result;
}

// --- Operators that LibTorch has no shape function for in C++ ---

// What empty_like makes of it.
Shape like(const at::Tensor& tensor, std::optional<at::ScalarType> dtype = {}, std::optional<at::MemoryFormat> order = {}) {
  const auto result = at::empty_like(hollow(tensor), at::TensorOptions().dtype(dtype), order);
  return {result.sizes().vec(), result.strides().vec(), result.scalar_type()};
}

std::optional<Shapes> unary(const Stack& stack) { return Shapes{like(stack[0].toTensor())}; }

// (self, memory_format)
std::optional<Shapes> clone(const Stack& stack) { return Shapes{like(stack[0].toTensor(), {}, stack[1].toOptional<at::MemoryFormat>())}; }

// (self, dtype, layout, device, pin_memory, non_blocking, memory_format)
std::optional<Shapes> to_copy(const Stack& stack) {
  if (!stack[2].isNone() || !stack[3].isNone() || !stack[4].isNone()) return std::nullopt;
  return Shapes{like(stack[0].toTensor(), stack[1].toOptional<at::ScalarType>(), stack[6].toOptional<at::MemoryFormat>())};
}

// (weight, indices, …)
std::optional<Shapes> embedding(const Stack& stack) {
  const auto& weight = stack[0].toTensor();
  const auto& indices = stack[1].toTensor();
  if (weight.dim() != 2 || !at::isIntegralType(indices.scalar_type(), false) || indices.numel() == 0) return std::nullopt;
  const auto [least, most] = at::aminmax(indices);
  if (least.item<int64_t>() < 0 || most.item<int64_t>() >= weight.size(0)) return std::nullopt;  // the kernel refuses it
  auto sizes = indices.sizes().vec();
  sizes.push_back(weight.size(1));
  return Shapes{Shape::contiguous(sizes, weight.scalar_type())};
}

// (grad_output, indices, num_weights, …)
std::optional<Shapes> embedding_backward(const Stack& stack) {
  const auto& gradient = stack[0].toTensor();
  if (gradient.dim() == 0) return std::nullopt;
  return Shapes{Shape::contiguous({stack[2].toInt(), gradient.size(-1)}, gradient.scalar_type())};
}

std::optional<Shapes> convolution(const Stack& stack) {
  const auto& input = stack[0].toTensor();
  const auto& weight = stack[1].toTensor();
  const auto stride = stack[3].toIntVector(), padding = stack[4].toIntVector(), dilation = stack[5].toIntVector();
  const auto spatial = static_cast<size_t>(input.dim() - 2);
  if (stack[6].toBool() || input.dim() < 3 || weight.dim() != input.dim()) return std::nullopt;
  std::vector<int64_t> sizes{input.size(0), weight.size(0)};
  for (size_t i = 0; i < spatial; i++) {
    const auto s = stride[stride.size() == 1 ? 0 : i], p = padding[padding.size() == 1 ? 0 : i], d = dilation[dilation.size() == 1 ? 0 : i];
    const auto size = input.size(i + 2) + 2 * p - d * (weight.size(i + 2) - 1) - 1;
    if (size < 0 || s < 1) return std::nullopt;
    sizes.push_back(size / s + 1);
  }
  const auto order = [](const at::Tensor& tensor) { return tensor.suggest_memory_format(); };
  const auto taken = order(input) != at::MemoryFormat::Contiguous ? order(input) : order(weight);
  return Shapes{Shape::in_order(sizes, taken, input.scalar_type())};
}

// (input, weight, bias, running_mean, running_var, training, momentum, eps): output and the batch's mean and 1/deviation.
std::optional<Shapes> batch_norm(const Stack& stack) {
  const auto& input = stack[0].toTensor();
  if (input.dim() < 2 || input.scalar_type() != at::kFloat) return std::nullopt;
  const std::vector<int64_t> statistics{stack[5].toBool() ? input.size(1) : 0};
  const auto one = Shape::contiguous(statistics, input.scalar_type());
  return Shapes{Shape::in_order(input.sizes(), input.suggest_memory_format(), input.scalar_type()), one, one};
}

// (input, normalized_shape, …): output, mean, 1/deviation.
std::optional<Shapes> layer_norm(const Stack& stack) {
  const auto& input = stack[0].toTensor();
  const auto over = static_cast<int64_t>(stack[1].toIntVector().size());
  if (over > input.dim() || !input.is_contiguous() || input.scalar_type() == at::kBFloat16 || input.scalar_type() == at::kHalf) return std::nullopt;
  auto statistics = input.sizes().vec();
  std::fill(statistics.end() - over, statistics.end(), 1);
  const auto one = Shape::contiguous(statistics, input.scalar_type());
  return Shapes{Shape::contiguous(input.sizes(), input.scalar_type()), one, one};
}

// (query, key, value, …), each [batch, heads, length, width]: output, and logsumexp with the heads inside the length.
std::optional<Shapes> attention(const Stack& stack) {
  const auto& query = stack[0].toTensor();
  if (query.dim() != 4 || stack[2].toTensor().size(3) != query.size(3)) return std::nullopt;
  const auto b = query.size(0), h = query.size(1), l = query.size(2);
  return Shapes{like(query), {{b, h, l}, {l * h, 1, h}, at::toOpMathType(query.scalar_type())}};
}

bool is_plain_float(const c10::IValue& value) {
  return value.isTensor() && value.toTensor().defined() && value.toTensor().scalar_type() == at::kFloat && value.toTensor().is_contiguous();
}

// An LSTM's layer, which a program computes with our own kernels (kernels/recurrent/lstm.h): (input, W, U, b, b′, h₀, c₀, …): output, h, c, and
// what is kept for the backward, in our kernels' form.
std::optional<Shapes> lstm(const Stack& stack) {
  constexpr int64_t kLstm = 2;
  if (stack.size() != 16 || stack[9].toInt() != kLstm || !stack[8].toIntVector().empty()) return std::nullopt;
  for (size_t i = 0; i < 7; i++)
    if (!is_plain_float(stack[i])) return std::nullopt;
  const auto& input = stack[0].toTensor();
  if (input.dim() != 3 || stack[2].toTensor().dim() != 2) return std::nullopt;
  const auto steps = input.size(0), batch = input.size(1), hidden = stack[2].toTensor().size(1);
  const auto shape = [](at::IntArrayRef sizes) { return Shape::contiguous(sizes, at::kFloat); };
  return Shapes{shape({steps, batch, hidden}), shape(stack[5].toTensor().sizes()), shape(stack[6].toTensor().sizes()), shape({steps, batch, 6 * hidden})};
}

// Its backward. LibTorch's own kernel must not meet what ours would have kept.
std::optional<Shapes> lstm_backward(const Stack& stack) {
  const auto& kept = stack.back().toTensor();
  if (stack.size() != 23 || kept.scalar_type() != at::kFloat) return std::nullopt;
  const auto rows = stack[2].toTensor().size(0);
  const auto like = [&](size_t i) { return Shape::contiguous(stack[i].toTensor().sizes(), at::kFloat); };
  const auto bias = [&](size_t i) { return stack[17].toBool() ? Shape::contiguous({rows}, at::kFloat) : like(i); };
  return Shapes{like(0), like(1), like(2), bias(3), bias(4), like(5), like(6)};
}

using ShapeFunction = std::optional<Shapes> (*)(const Stack&);
const std::unordered_map<std::string_view, ShapeFunction> kOwn{
    {"aten::relu", &unary},
    {"aten::clone", &clone},
    {"aten::_to_copy", &to_copy},
    {"aten::embedding", &embedding},
    {"aten::embedding_dense_backward", &embedding_backward},
    {"aten::convolution", &convolution},
    {"aten::mkldnn_rnn_layer", &lstm},
    {"aten::mkldnn_rnn_layer_backward", &lstm_backward},
    {"aten::native_batch_norm", &batch_norm},
    {"aten::native_layer_norm", &layer_norm},
    {"aten::_scaled_dot_product_flash_attention_for_cpu", &attention},
};

// --- LibTorch's own shape functions: the operator's kernel for tensors without memory ---

c10::IValue hollow(const c10::IValue& value) {
  if (value.isTensor()) return hollow(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const auto& tensor : value.toTensorList()) list.push_back(hollow(tensor));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor>& tensor : value.toOptionalTensorList()) list.push_back(tensor.has_value() ? std::optional(hollow(*tensor)) : tensor);
    return list;
  }
  return value;
}

std::optional<Shapes> from_libtorch(const c10::OperatorHandle& op, const Stack& stack) {
  const size_t count = op.schema().arguments().size();
  Stack hollowed;
  for (size_t i = stack.size() - count; i < stack.size(); i++) hollowed.push_back(hollow(stack[i]));
  try {
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    op.callBoxed(hollowed);
  } catch (const std::exception&) {
    return std::nullopt;  // the kernel itself says it better
  }
  Shapes shapes;
  for (const auto& value : hollowed) {
    if (!value.isTensor() || !value.toTensor().defined()) return std::nullopt;
    const auto& tensor = value.toTensor();
    shapes.push_back({tensor.sizes().vec(), tensor.strides().vec(), tensor.scalar_type()});
  }
  return shapes;
}

// Operators that draw numbers into a tensor.
constexpr std::string_view kFills[] = {"aten::bernoulli_", "aten::uniform_", "aten::normal_", "aten::exponential_"};

// --- The fallback ---

enum class Way { compute, look_into, own, libtorch, fill };

struct Plan {
  Way way;
  ShapeFunction own = nullptr;
};

Plan make_plan(const c10::OperatorHandle& op) {
  using c10::DispatchKey;
  if (op.hasKernelForDispatchKey(DispatchKey::CompositeImplicitAutograd) && !op.hasKernelForDispatchKey(DispatchKey::CPU)) return {Way::look_into};
  const auto& schema = op.schema();
  if (std::find(std::begin(kFills), std::end(kFills), schema.name()) != std::end(kFills)) return {Way::fill};
  for (const auto& argument : schema.arguments())
    if (argument.alias_info() != nullptr || argument.type()->kind() == c10::TypeKind::DeviceObjType) return {Way::compute};
  for (const auto& result : schema.returns())
    if (result.alias_info() != nullptr || result.type()->kind() != c10::TypeKind::TensorType) return {Way::compute};
  if (schema.returns().empty()) return {Way::compute};
  if (const auto own = kOwn.find(op.operator_name().overload_name.empty() ? std::string_view(schema.name()) : std::string_view()); own != kOwn.end()) return {Way::own, own->second};
  // Pivots, which other kernels trust, are not to be made up.
  if (schema.name().starts_with("aten::linalg_") || schema.name().starts_with("aten::_linalg_")) return {Way::compute};
  return {op.hasKernelForDispatchKey(DispatchKey::Meta) ? Way::libtorch : Way::compute};
}

const Plan& plan_of(const c10::OperatorHandle& op) {
  thread_local std::map<c10::OperatorName, Plan, bool (*)(const c10::OperatorName&, const c10::OperatorName&)> plans(
      [](const c10::OperatorName& a, const c10::OperatorName& b) { return std::tie(a.name, a.overload_name) < std::tie(b.name, b.overload_name); });
  const auto found = plans.find(op.operator_name());
  return found != plans.end() ? found->second : plans.emplace(op.operator_name(), make_plan(op)).first->second;
}

// Integers from numbers that may not be there: they may become indices.
bool makes_integers(const Plan& plan, const c10::ArrayRef<c10::IValue>& arguments) {
  return plan.own == &to_copy && arguments[1].isInt() && arguments[0].toTensor().is_floating_point() && at::isIntegralType(static_cast<at::ScalarType>(arguments[1].toInt()), true);
}

// Plain tensors on the CPU, and enough to do.
bool is_worth_it(const Plan& plan, const c10::ArrayRef<c10::IValue>& arguments) {
  int64_t elements = 0;
  bool plain = true;
  for (const auto& argument : arguments) {
    each_tensor(argument, [&](const at::Tensor& tensor) {
      plain &= tensor.is_cpu() && tensor.layout() == at::kStrided && !tensor.is_conj() && !tensor.is_neg() && !tensor.is_quantized() && !tensor.is_inference();
      elements += tensor.numel();
    });
  }
  return plain && (elements >= least || plan.own == &lstm_backward || plan.own == &embedding_backward || makes_integers(plan, arguments));
}

void shapes_only(const c10::OperatorHandle& op, c10::DispatchKeySet keys, Stack* stack) {
  const auto below = keys & c10::DispatchKeySet(c10::DispatchKeySet::FULL_AFTER, kKey);
  const auto& plan = plan_of(op);
  if (plan.way == Way::look_into) return op.redispatchBoxed(below, stack);
  c10::impl::ExcludeDispatchKeyGuard outermost_only(kKey);
  const size_t count = op.schema().arguments().size();
  const auto arguments = c10::ArrayRef<c10::IValue>(*stack).slice(stack->size() - count);
  if (plan.way != Way::compute && is_worth_it(plan, arguments)) {
    if (plan.way == Way::fill) {
      auto filled = arguments[0].toTensor();
      if (!filled.is_floating_point()) filled.zero_();
      torch::jit::drop(*stack, count);
      stack->push_back(std::move(filled));
      return;
    }
    const auto shapes = plan.way == Way::own ? plan.own(Stack(arguments.begin(), arguments.end())) : from_libtorch(op, *stack);
    if (shapes.has_value()) {
      torch::jit::drop(*stack, count);
      for (const auto& shape : *shapes) {
        auto result = at::empty_strided(shape.sizes, shape.strides, at::TensorOptions().dtype(shape.dtype));
        if (!at::isFloatingType(shape.dtype) && !at::isComplexType(shape.dtype)) result.zero_();
        stack->push_back(std::move(result));
      }
      return;
    }
  }
  if (plan.own == &lstm_backward && stack->back().toTensor().scalar_type() == at::kFloat) fail(Code::record, "An LSTM's backward has tensors that its forward had not.");
  op.redispatchBoxed(below, stack);
}

}  // namespace

ShapesOnly::ShapesOnly(int64_t at_least) {
  alive++;
  least = at_least;
  c10::impl::tls_set_dispatch_key_included(kKey, true);
}
ShapesOnly::~ShapesOnly() {
  if (--alive == 0) c10::impl::tls_set_dispatch_key_included(kKey, false);
}

ShapesOnly::Suspend::Suspend() : included_(c10::impl::tls_is_dispatch_key_included(kKey)) {
  if (included_) c10::impl::tls_set_dispatch_key_included(kKey, false);
}
ShapesOnly::Suspend::~Suspend() {
  if (included_) c10::impl::tls_set_dispatch_key_included(kKey, true);
}

bool ShapesOnly::available() {
  static const bool registered = [] {
    try {
      static torch::Library library(torch::Library::IMPL, "_", kKey, __FILE__, __LINE__);
      library.fallback(torch::CppFunction::makeFromBoxedFunction<&shapes_only>());
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }();
  return registered;
}

#else

ShapesOnly::ShapesOnly(int64_t) {}
ShapesOnly::~ShapesOnly() = default;
ShapesOnly::Suspend::Suspend() : included_(false) {}
ShapesOnly::Suspend::~Suspend() = default;
bool ShapesOnly::available() { return false; }

#endif

}  // namespace steppe
