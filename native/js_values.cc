#include "js_values.h"

#include <cmath>

#include "errors.h"

namespace steppe {

std::string read_string(napi_env env, napi_value value, const std::string& name) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) fail_expected("a string", name, describe(env, value));
  std::string text(length, '\0');
  check(env, napi_get_value_string_utf8(env, value, text.data(), length + 1, &length));
  return text;
}

double read_number(napi_env env, napi_value value, const std::string& name) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) fail_expected("a number", name, describe(env, value));
  return number;
}

int64_t read_integer(napi_env env, napi_value value, const std::string& name) {
  double number;
  if (napi_get_value_double(env, value, &number) == napi_ok) {
    if (std::trunc(number) != number || std::abs(number) > 9007199254740992.0) fail_expected("an integer", name, describe(env, value));
    return static_cast<int64_t>(number);
  }
  int64_t integer;
  bool lossless = false;
  if (napi_get_value_bigint_int64(env, value, &integer, &lossless) != napi_ok) fail_expected("an integer", name, describe(env, value));
  if (!lossless) fail_expected("an integer of 64 bits", name, describe(env, value));
  return integer;
}

bool read_boolean(napi_env env, napi_value value, const std::string& name) {
  bool boolean;
  if (napi_get_value_bool(env, value, &boolean) != napi_ok) fail_expected("a boolean", name, describe(env, value));
  return boolean;
}

std::string describe(napi_env env, napi_value value) {
  napi_valuetype type;
  if (napi_typeof(env, value, &type) != napi_ok) return "an unknown value";
  bool is_array = false;
  napi_is_array(env, value, &is_array);
  if (is_array) return "an array";
  switch (type) {
    case napi_undefined: return "nothing";
    case napi_null: return "null";
    case napi_boolean: return std::string(read_boolean(env, value, "") ? "true" : "false") + " of type boolean";
    case napi_number: {
      napi_value text;
      napi_coerce_to_string(env, value, &text);
      return read_string(env, text, "") + " of type number";
    }
    case napi_string: return "\"" + read_string(env, value, "").substr(0, 60) + "\" of type string";
    case napi_symbol: return "a symbol";
    case napi_function: return "a function";
    case napi_bigint: return "a bigint";
    default: return "an object";
  }
}

napi_value make_number(napi_env env, double value) {
  napi_value result;
  check(env, napi_create_double(env, value, &result));
  return result;
}

napi_value make_integer(napi_env env, int64_t value) {
  napi_value result;
  if (value > 9007199254740991 || value < -9007199254740991) {
    check(env, napi_create_bigint_int64(env, value, &result));
  } else {
    check(env, napi_create_int64(env, value, &result));
  }
  return result;
}

napi_value make_string(napi_env env, const std::string& value) {
  napi_value result;
  check(env, napi_create_string_utf8(env, value.data(), value.size(), &result));
  return result;
}

napi_value make_complex(napi_env env, double re, double im) {
  napi_value result;
  check(env, napi_create_object(env, &result));
  check(env, napi_set_named_property(env, result, "re", make_number(env, re)));
  check(env, napi_set_named_property(env, result, "im", make_number(env, im)));
  return result;
}

}  // namespace steppe
