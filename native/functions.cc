#include "functions.h"

namespace steppe {

std::vector<int64_t> Call::integers(size_t i, const char* name) const {
  if (!info_[i].IsArray()) fail_expected("an array of integers", name, describe(env(), info_[i]));
  const auto array = info_[i].As<Napi::Array>();
  std::vector<int64_t> values(array.Length());
  for (uint32_t k = 0; k < values.size(); k++) values[k] = read_integer(env(), array.Get(k), std::string(name) + "[" + std::to_string(k) + "]");
  return values;
}

std::vector<at::Tensor> Call::tensors(size_t i, const char* name) const {
  if (!info_[i].IsArray()) fail_expected("an array of tensors", name, describe(env(), info_[i]));
  const auto array = info_[i].As<Napi::Array>();
  std::vector<at::Tensor> values(array.Length());
  for (uint32_t k = 0; k < values.size(); k++) {
    const Napi::Value element = array.Get(k);
    if (element.IsNull() || element.IsUndefined()) continue;
    const double handle = read_number(env(), element, std::string(name) + "[" + std::to_string(k) + "]");
    if (handle != 0) values[k] = instance_.handles.get(handle);
  }
  return values;
}

std::pair<const void*, size_t> Call::bytes(size_t i, const char* name) const {
  const auto value = info_[i];
  if (value.IsArrayBuffer()) {
    auto buffer = value.As<Napi::ArrayBuffer>();
    return {buffer.Data(), buffer.ByteLength()};
  }
  if (value.IsTypedArray()) {
    const auto view = value.As<Napi::TypedArray>();
    auto buffer = view.ArrayBuffer();
    return {static_cast<const char*>(buffer.Data()) + view.ByteOffset(), view.ByteLength()};
  }
  fail_expected("an ArrayBuffer or a typed array", name, describe(env(), value));
}

}  // namespace steppe
