#include "driver.h"

#if !defined(_WIN32)
#include <dlfcn.h>
#endif

#include <string>

namespace steppe::device {
namespace {

// CUDA's driver interface (docs.nvidia.com/cuda/cuda-driver-api): result 0 is success, devices are integers.
using Result = int;
using Device = int;

// CUdevice_attribute
enum Attribute : int {
  kSharedMemoryPerBlock = 8,
  kWarpSize = 10,
  kMultiprocessors = 16,
  kIntegrated = 18,
  kL2Cache = 38,
  kThreadsPerMultiprocessor = 39,
  kMajor = 75,
  kMinor = 76,
};

struct Library {
  Result (*init)(unsigned) = nullptr;
  Result (*version)(int*) = nullptr;
  Result (*count)(int*) = nullptr;
  Result (*get)(Device*, int) = nullptr;
  Result (*name)(char*, int, Device) = nullptr;
  Result (*memory)(size_t*, Device) = nullptr;
  Result (*attribute)(int*, int, Device) = nullptr;
  Result (*error)(Result, const char**) = nullptr;
  std::string problem;

  Library() {
#if defined(_WIN32)
    problem = "not looked for on this system";
#else
    auto* handle = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);  // never closed: a driver that was started stays
    if (handle == nullptr) {
      problem = "NVIDIA's driver is not installed: libcuda.so.1 cannot be loaded";
      return;
    }
    const auto find = [&](auto& function, const char* symbol) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, symbol));
      if (function == nullptr) problem = std::string("NVIDIA's driver is too old: libcuda.so.1 lacks ") + symbol;
    };
    find(init, "cuInit");
    find(version, "cuDriverGetVersion");
    find(count, "cuDeviceGetCount");
    find(get, "cuDeviceGet");
    find(name, "cuDeviceGetName");
    find(memory, "cuDeviceTotalMem_v2");
    find(attribute, "cuDeviceGetAttribute");
    find(error, "cuGetErrorString");
#endif
  }

  std::string explain(Result result) const {
    const char* text = nullptr;
    if (error(result, &text) != 0 || text == nullptr) text = "unknown error";
    return std::string(text) + " (" + std::to_string(result) + ")";
  }
};

Gpu describe(const Library& driver, Device device) {
  Gpu gpu;
  char name[256] = "";
  if (driver.name(name, sizeof name, device) == 0) gpu.name = name;
  size_t memory = 0;
  if (driver.memory(&memory, device) == 0) gpu.memory = memory;
  const auto attribute = [&](Attribute which) {
    int value = 0;
    driver.attribute(&value, which, device);
    return value;
  };
  gpu.major = attribute(kMajor);
  gpu.minor = attribute(kMinor);
  gpu.multiprocessors = attribute(kMultiprocessors);
  gpu.threads_per_multiprocessor = attribute(kThreadsPerMultiprocessor);
  gpu.warp_size = attribute(kWarpSize);
  gpu.l2_cache = static_cast<uint64_t>(attribute(kL2Cache));
  gpu.shared_memory_per_block = static_cast<uint64_t>(attribute(kSharedMemoryPerBlock));
  gpu.integrated = attribute(kIntegrated) != 0;
  return gpu;
}

}  // namespace

Driver ask_driver() {
  static const Library library;
  Driver driver;
  driver.problem = library.problem;
  if (!driver.problem.empty()) return driver;
  library.version(&driver.cuda);
  if (const auto result = library.init(0); result != 0) {
    driver.problem = "NVIDIA's driver does not start: " + library.explain(result);
    return driver;
  }
  int count = 0;
  if (const auto result = library.count(&count); result != 0 || count == 0) {
    driver.problem = "NVIDIA's driver finds no GPU" + (result == 0 ? std::string() : ": " + library.explain(result));
    return driver;
  }
  for (int i = 0; i < count; i++) {
    Device device = 0;
    if (library.get(&device, i) == 0) driver.gpus.push_back(describe(library, device));
  }
  return driver;
}

}  // namespace steppe::device
