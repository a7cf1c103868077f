#include "convert.h"

#include <ATen/core/List.h>
#include <ATen/core/jit_type.h>

#include <cmath>

#include "dtypes.h"
#include "unboxed.h"

namespace steppe {

const char* kind_name(Kind kind) {
  switch (kind) {
    case Kind::tensor: return "Tensor";
    case Kind::integer: return "int";
    case Kind::real: return "float";
    case Kind::boolean: return "bool";
    case Kind::scalar: return "Scalar";
    case Kind::string: return "str";
    case Kind::dtype: return "ScalarType";
    case Kind::layout: return "Layout";
    case Kind::device: return "Device";
    case Kind::memory_format: return "MemoryFormat";
    case Kind::generator: return "Generator";
    case Kind::unsupported: return "unsupported";
  }
  return "unsupported";
}

namespace {

Kind kind_of(const c10::Type& type) {
  switch (type.kind()) {
    case c10::TypeKind::TensorType: return Kind::tensor;
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType: return Kind::integer;
    case c10::TypeKind::FloatType:
    case c10::TypeKind::SymFloatType: return Kind::real;
    case c10::TypeKind::BoolType:
    case c10::TypeKind::SymBoolType: return Kind::boolean;
    case c10::TypeKind::NumberType: return Kind::scalar;
    case c10::TypeKind::StringType: return Kind::string;
    case c10::TypeKind::ScalarTypeType: return Kind::dtype;
    case c10::TypeKind::LayoutType: return Kind::layout;
    case c10::TypeKind::DeviceObjType: return Kind::device;
    case c10::TypeKind::MemoryFormatType: return Kind::memory_format;
    case c10::TypeKind::GeneratorType: return Kind::generator;
    default: return Kind::unsupported;
  }
}

struct TypePlan {
  Kind kind;
  bool optional = false, list = false, optional_elements = false;
};

TypePlan plan_type(const c10::TypePtr& type) {
  if (const auto* optional = type->castRaw<c10::OptionalType>()) {
    auto plan = plan_type(optional->getElementType());
    plan.optional = true;
    return plan;
  }
  if (const auto* list = type->castRaw<c10::ListType>()) {
    const auto element = plan_type(list->getElementType());
    if (element.list) return {Kind::unsupported};
    return {element.kind, false, true, element.optional};
  }
  return {kind_of(*type)};
}

[[noreturn]] void refuse(Instance& instance, napi_value value, const ArgumentPlan& argument) {
  std::string what = kind_name(argument.kind);
  if (argument.list) what += "[]";
  fail_expected(what, argument.name, describe(instance.env, value));
}

napi_valuetype type_of(napi_env env, napi_value value) {
  napi_valuetype type;
  check(env, napi_typeof(env, value, &type));
  return type;
}

c10::IValue to_single(Instance& instance, napi_value value, const ArgumentPlan& argument) {
  const napi_env env = instance.env;
  switch (argument.kind) {
    case Kind::tensor: return to_tensor(instance, value, argument);
    case Kind::integer: return read_integer(env, value, argument.name);
    case Kind::real: return read_number(env, value, argument.name);
    case Kind::boolean: return read_boolean(env, value, argument.name);
    case Kind::scalar: return to_scalar(instance, value, argument);
    case Kind::string: return read_string(env, value, argument.name);
    case Kind::dtype: return parse_dtype(read_string(env, value, argument.name), argument.name);
    case Kind::layout: return parse_layout(read_string(env, value, argument.name), argument.name);
    case Kind::device: return parse_device(read_string(env, value, argument.name), argument.name);
    case Kind::memory_format: return parse_memory_format(read_string(env, value, argument.name), argument.name);
    case Kind::generator:
      return *instance.generators.get(static_cast<uint32_t>(read_integer(env, value, argument.name)), "generator");
    case Kind::unsupported: fail(Code::argument, "Argument " + argument.name + " has a type that no JavaScript value stands for.");
  }
  refuse(instance, value, argument);
}

// A single value stands for all elements of a list of fixed size, as in PyTorch: kernelSize 3 is [3, 3].
template <class Visit>
void read_elements(Instance& instance, napi_value value, const ArgumentPlan& argument, Visit visit) {
  const napi_env env = instance.env;
  bool is_array = false;
  napi_is_array(env, value, &is_array);
  if (!is_array) {
    if (argument.fixed_size == 0 || argument.kind == Kind::tensor) refuse(instance, value, argument);
    for (int i = 0; i < argument.fixed_size; i++) visit(value, argument);
    return;
  }
  uint32_t length = 0;
  check(env, napi_get_array_length(env, value, &length));
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    check(env, napi_get_element(env, value, i, &element));
    visit(element, argument);
  }
}

template <class T, class Read>
c10::List<T> read_list(Instance& instance, napi_value value, const ArgumentPlan& argument, Read read) {
  c10::List<T> list;
  read_elements(instance, value, argument, [&](napi_value element, auto& a) { list.push_back(read(element, a)); });
  return list;
}

bool is_nothing(napi_env env, napi_value value) {
  const auto type = type_of(env, value);
  return type == napi_undefined || type == napi_null;
}

c10::IValue to_list(Instance& instance, napi_value value, const ArgumentPlan& argument) {
  const napi_env env = instance.env;
  switch (argument.kind) {
    case Kind::tensor:
      if (argument.optional_elements) {
        return read_list<std::optional<at::Tensor>>(instance, value, argument, [&](napi_value v, auto& a) -> std::optional<at::Tensor> {
          return is_nothing(env, v) ? std::nullopt : std::optional(to_tensor(instance, v, a));
        });
      }
      return read_list<at::Tensor>(instance, value, argument, [&](napi_value v, auto& a) { return to_tensor(instance, v, a); });
    case Kind::integer:
      return read_list<int64_t>(instance, value, argument, [&](napi_value v, auto& a) { return read_integer(env, v, a.name); });
    case Kind::real:
      return read_list<double>(instance, value, argument, [&](napi_value v, auto& a) { return read_number(env, v, a.name); });
    case Kind::boolean:
      return read_list<bool>(instance, value, argument, [&](napi_value v, auto& a) { return read_boolean(env, v, a.name); });
    case Kind::string:
      return read_list<std::string>(instance, value, argument, [&](napi_value v, auto& a) { return read_string(env, v, a.name); });
    case Kind::scalar:
      if (argument.optional_elements) {
        c10::impl::GenericList list(c10::OptionalType::create(c10::NumberType::get()));
        read_elements(instance, value, argument, [&](napi_value v, auto& a) {
          list.push_back(is_nothing(env, v) ? c10::IValue() : c10::IValue(to_scalar(instance, v, a)));
        });
        return list;
      }
      return read_list<at::Scalar>(instance, value, argument, [&](napi_value v, auto& a) { return to_scalar(instance, v, a); });
    default: fail(Code::argument, "Argument " + argument.name + " has a type that no JavaScript value stands for.");
  }
}

}  // namespace

OperatorPlan make_plan(const c10::OperatorHandle& handle) {
  OperatorPlan plan{handle, c10::toString(handle.operator_name()), {}, {}};
  const auto& schema = handle.schema();
  for (const auto& argument : schema.arguments()) {
    const auto type = plan_type(argument.real_type());
    ArgumentPlan& a = plan.arguments.emplace_back();
    a.name = argument.name();
    a.kind = type.kind;
    a.list = type.list;
    a.optional = type.optional;
    a.optional_elements = type.optional_elements;
    a.fixed_size = argument.N().value_or(0);
    a.keyword_only = argument.kwarg_only();
    a.write = argument.alias_info() != nullptr && argument.alias_info()->isWrite();
    a.out = argument.is_out();
    if (argument.default_value().has_value()) {
      a.has_default = true;
      a.default_value = *argument.default_value();
    }
  }
  for (const auto& result : schema.returns()) {
    const auto type = plan_type(result.real_type());
    ReturnPlan& r = plan.returns.emplace_back();
    r.kind = type.kind;
    r.list = type.list;
    r.optional = type.optional;
    r.aliased = result.alias_info() != nullptr;
    if (!r.aliased || !result.alias_info()->isWrite()) continue;
    for (size_t i = 0; i < schema.arguments().size(); i++) {
      const auto* alias = schema.arguments()[i].alias_info();
      if (alias != nullptr && alias->isWrite() && alias->beforeSets() == result.alias_info()->beforeSets()) r.same_as = static_cast<int32_t>(i);
    }
  }
  plan.data_dependent = handle.hasTag(at::Tag::data_dependent_output) || handle.hasTag(at::Tag::dynamic_output_shape);
  plan.unboxed = unboxed_signature(plan);
  return plan;
}

c10::IValue to_ivalue(Instance& instance, napi_value value, const ArgumentPlan& argument) {
  const napi_env env = instance.env;
  if (argument.kind == Kind::tensor && !argument.list) [[likely]] {
    double handle;
    if (napi_get_value_double(env, value, &handle) == napi_ok) return instance.handles.get(handle);
  }
  if (is_nothing(env, value)) {
    if (argument.has_default && type_of(env, value) == napi_undefined) return argument.default_value;
    if (argument.optional) return c10::IValue();
    if (argument.has_default) return argument.default_value;
    if (type_of(env, value) == napi_undefined) fail(Code::argument, "Missing argument " + argument.name + ".");
    refuse(instance, value, argument);
  }
  return argument.list ? to_list(instance, value, argument) : to_single(instance, value, argument);
}

// The integers of int64 and those of uint64.
at::Scalar read_big_scalar(napi_env env, napi_value value, const std::string& name) {
  bool lossless = false;
  int64_t integer;
  check(env, napi_get_value_bigint_int64(env, value, &integer, &lossless));
  if (lossless) return integer;
  uint64_t whole;
  check(env, napi_get_value_bigint_uint64(env, value, &whole, &lossless));
  if (!lossless) fail_expected("an integer of 64 bits", name, describe(env, value));
  return whole;
}

at::Scalar to_scalar(Instance& instance, napi_value value, const ArgumentPlan& argument) {
  const napi_env env = instance.env;
  switch (type_of(env, value)) {
    case napi_number: {
      double number;
      napi_get_value_double(env, value, &number);
      // As in Python, 2 is an integer and does not turn an int64 tensor into floats; 2.5 is not.
      if (std::trunc(number) == number && std::abs(number) <= 9007199254740992.0 && !(number == 0 && std::signbit(number))) {
        return static_cast<int64_t>(number);
      }
      return number;
    }
    case napi_bigint: return read_big_scalar(env, value, argument.name);
    case napi_undefined:
      if (argument.has_default) return argument.default_value.toScalar();
      break;
    case napi_boolean: return read_boolean(env, value, argument.name);
    case napi_object: {
      napi_value re, im;
      bool has_re = false, has_im = false;
      napi_has_named_property(env, value, "re", &has_re);
      napi_has_named_property(env, value, "im", &has_im);
      if (has_re && has_im) {
        check(env, napi_get_named_property(env, value, "re", &re));
        check(env, napi_get_named_property(env, value, "im", &im));
        return c10::complex<double>(read_number(env, re, argument.name + ".re"), read_number(env, im, argument.name + ".im"));
      }
      break;
    }
    default: break;
  }
  refuse(instance, value, argument);
}

const at::Tensor& to_tensor(Instance& instance, napi_value value, const ArgumentPlan& argument) {
  double handle;
  if (napi_get_value_double(instance.env, value, &handle) != napi_ok) [[unlikely]]
    refuse(instance, value, argument);
  return instance.handles.get(handle);
}

void fail_missing(const OperatorPlan& plan, size_t argument) {
  fail(Code::argument, "Missing argument " + plan.arguments[argument].name + " of " + plan.name + ".");
}

napi_value to_js(Instance& instance, const c10::IValue& value, const ReturnPlan& plan) {
  const napi_env env = instance.env;
  napi_value result = nullptr;
  if (value.isTensor()) {
    const auto& tensor = value.toTensor();
    if (tensor.defined()) return make_number(env, instance.handles.add(tensor, !plan.aliased));
    napi_get_null(env, &result);
  } else if (value.isNone()) {
    napi_get_null(env, &result);
  } else if (value.isList()) {
    const auto list = value.toListRef();
    check(env, napi_create_array_with_length(env, list.size(), &result));
    ReturnPlan element = plan;
    element.list = false;
    for (size_t i = 0; i < list.size(); i++) check(env, napi_set_element(env, result, i, to_js(instance, list[i], element)));
  } else if (value.isInt() || value.isSymInt()) {
    const int64_t number = value.isInt() ? value.toInt() : value.toSymInt().guard_int(__FILE__, __LINE__);
    switch (plan.kind) {
      case Kind::dtype: return make_string(env, dtype_name(static_cast<at::ScalarType>(number)));
      case Kind::layout: return make_string(env, layout_name(static_cast<at::Layout>(number)));
      case Kind::memory_format: return make_string(env, memory_format_name(static_cast<at::MemoryFormat>(number)));
      default: return make_integer(env, number);
    }
  } else if (value.isUnsigned()) {  // only what int64 does not hold
    check(env, napi_create_bigint_uint64(env, value.toUInt(), &result));
  } else if (value.isDouble()) {
    return make_number(env, value.toDouble());
  } else if (value.isBool()) {
    check(env, napi_get_boolean(env, value.toBool(), &result));
  } else if (value.isComplexDouble()) {
    const auto complex = value.toComplexDouble();
    return make_complex(env, complex.real(), complex.imag());
  } else if (value.isString()) {
    return make_string(env, value.toStringRef());
  } else if (value.isDevice()) {
    return make_string(env, value.toDevice().str());
  } else {
    fail(Code::argument, "A result of type " + value.tagKind() + " has no JavaScript form.");
  }
  return result;
}

}  // namespace steppe
