#pragma once
#include <node_api.h>

#include <cstdint>
#include <string>

namespace steppe {

// Plain JavaScript values, read and made. What is not of the wanted type is refused, by the argument's name.
std::string read_string(napi_env env, napi_value value, const std::string& name);
double read_number(napi_env env, napi_value value, const std::string& name);
int64_t read_integer(napi_env env, napi_value value, const std::string& name);
bool read_boolean(napi_env env, napi_value value, const std::string& name);
std::string describe(napi_env env, napi_value value);
napi_value make_number(napi_env env, double value);
napi_value make_integer(napi_env env, int64_t value);  // bigint where a double would round
napi_value make_string(napi_env env, const std::string& value);
napi_value make_complex(napi_env env, double re, double im);

}  // namespace steppe
