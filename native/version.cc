#include "version.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/headeronly/version.h>

#include "functions.h"

namespace steppe {
namespace {

Napi::Value version(Call& call) {
  auto result = Napi::Object::New(call.env());
  result["builtFor"] = STEPPE_LIBTORCH_VERSION;
  result["headers"] = TORCH_VERSION;
  result["builtForCuda"] = STEPPE_LIBTORCH_CUDA;
  result["threads"] = at::get_num_threads();
  result["cpuCapability"] = at::get_cpu_capability();
  const auto accelerator = at::getAccelerator(false);
  result["accelerator"] = accelerator.has_value() ? c10::DeviceTypeName(*accelerator, true) : "";
  result["devices"] = accelerator.has_value() ? static_cast<int>(at::accelerator::deviceCount()) : 0;
  return result;
}

}  // namespace

void register_version(Napi::Env env, Napi::Object exports) { define<version>(env, exports, "version"); }

}  // namespace steppe
