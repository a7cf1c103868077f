#pragma once
#include <ATen/core/Tensor.h>
#include <napi.h>

#include <string>
#include <utility>
#include <vector>

#include "convert.h"

namespace steppe {

// One call from JavaScript, with checked access to its arguments.
class Call {
 public:
  explicit Call(const Napi::CallbackInfo& info) : info_(info), instance_(*static_cast<Instance*>(info.Data())) {}

  Napi::Env env() const { return info_.Env(); }
  Instance& instance() const { return instance_; }
  Napi::Value value(size_t i) const { return info_[i]; }
  bool has(size_t i) const { return i < info_.Length() && !info_[i].IsUndefined() && !info_[i].IsNull(); }

  const at::Tensor& tensor(size_t i) const { return instance_.handles.get(number(i, "tensor")); }
  double number(size_t i, const char* name) const { return read_number(env(), info_[i], name); }
  int64_t integer(size_t i, const char* name) const { return read_integer(env(), info_[i], name); }
  bool boolean(size_t i, const char* name) const { return read_boolean(env(), info_[i], name); }
  std::string string(size_t i, const char* name) const { return read_string(env(), info_[i], name); }

  std::vector<int64_t> integers(size_t i, const char* name) const;
  // Handles; null and 0 stand for an undefined tensor.
  std::vector<at::Tensor> tensors(size_t i, const char* name) const;
  std::pair<const void*, size_t> bytes(size_t i, const char* name) const;

 private:
  const Napi::CallbackInfo& info_;
  Instance& instance_;
};

template <Napi::Value (*body)(Call&)>
Napi::Value entry(const Napi::CallbackInfo& info) {
  return Napi::Value(info.Env(), guarded(info.Env(), [&]() -> napi_value {
                       try {
                         Call call(info);
                         return body(call);
                       } catch (const Napi::Error& error) {
                         error.ThrowAsJavaScriptException();
                         throw PendingException{};
                       }
                     }));
}

template <Napi::Value (*body)(Call&)>
void define(Napi::Env env, Napi::Object exports, const char* name) {
  exports[name] = Napi::Function::New(env, entry<body>, name, Instance::of(env));
}

}  // namespace steppe
