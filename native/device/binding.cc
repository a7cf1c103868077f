#include "binding.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <c10/core/CachingDeviceAllocator.h>

#include "../functions.h"
#include "accelerator.h"
#include "driver.h"

namespace steppe::device {
namespace {

Napi::Value count_devices(Call& call) { return Napi::Number::New(call.env(), device_count()); }

Napi::Value current_device(Call& call) { return Napi::Number::New(call.env(), device_at(-1).index()); }

// setDevice(index)
Napi::Value set_device(Call& call) {
  at::accelerator::setDeviceIndex(device_at(call.integer(0, "device")).index());
  return call.env().Undefined();
}

// synchronize(index): waits for all that was asked of the device
Napi::Value wait_for_device(Call& call) {
  synchronize(device_at(call.integer(0, "device")));
  return call.env().Undefined();
}

// driver(): { problem, cuda, gpus }
Napi::Value driver(Call& call) {
  const auto env = call.env();
  const auto found = ask_driver();
  auto gpus = Napi::Array::New(env, found.gpus.size());
  for (uint32_t i = 0; i < found.gpus.size(); i++) {
    const auto& gpu = found.gpus[i];
    auto each = Napi::Object::New(env);
    each["name"] = gpu.name;
    each["major"] = gpu.major;
    each["minor"] = gpu.minor;
    each["totalMemory"] = static_cast<double>(gpu.memory);
    each["multiProcessorCount"] = gpu.multiprocessors;
    each["maxThreadsPerMultiProcessor"] = gpu.threads_per_multiprocessor;
    each["warpSize"] = gpu.warp_size;
    each["l2CacheSize"] = static_cast<double>(gpu.l2_cache);
    each["sharedMemoryPerBlock"] = static_cast<double>(gpu.shared_memory_per_block);
    each["isIntegrated"] = gpu.integrated;
    gpus[i] = each;
  }
  auto result = Napi::Object::New(env);
  result["problem"] = found.problem;
  result["cuda"] = found.cuda;
  result["gpus"] = gpus;
  return result;
}

c10::DeviceAllocator& allocator() { return *at::getDeviceAllocator(accelerator_type()); }

// deviceMemory(index): LibTorch's figures, each { current, peak, allocated, freed } for all, the small and the large pool
Napi::Value device_memory(Call& call) {
  const auto env = call.env();
  const auto stats = allocator().getDeviceStats(device_at(call.integer(0, "device")).index());
  auto result = Napi::Object::New(env);
  const auto add_one = [&](const std::string& name, const c10::CachingAllocator::Stat& stat) {
    result[name + ".current"] = static_cast<double>(stat.current);
    result[name + ".peak"] = static_cast<double>(stat.peak);
    result[name + ".allocated"] = static_cast<double>(stat.allocated);
    result[name + ".freed"] = static_cast<double>(stat.freed);
  };
  const auto add = [&](const std::string& name, const c10::CachingAllocator::StatArray& stat) {
    using Type = c10::CachingAllocator::StatType;
    add_one(name + ".all", stat[static_cast<size_t>(Type::AGGREGATE)]);
    add_one(name + ".small_pool", stat[static_cast<size_t>(Type::SMALL_POOL)]);
    add_one(name + ".large_pool", stat[static_cast<size_t>(Type::LARGE_POOL)]);
  };
  add("allocation", stats.allocation);
  add("segment", stats.segment);
  add("active", stats.active);
  add("inactive_split", stats.inactive_split);
  add("allocated_bytes", stats.allocated_bytes);
  add("reserved_bytes", stats.reserved_bytes);
  add("active_bytes", stats.active_bytes);
  add("inactive_split_bytes", stats.inactive_split_bytes);
  add("requested_bytes", stats.requested_bytes);
  add_one("oversize_allocations", stats.oversize_allocations);
  add_one("oversize_segments", stats.oversize_segments);
  result["num_alloc_retries"] = static_cast<double>(stats.num_alloc_retries);
  result["num_ooms"] = static_cast<double>(stats.num_ooms);
  result["max_split_size"] = static_cast<double>(stats.max_split_size);
  return result;
}

// resetMemoryFigures(index, accumulated): the peaks, or the sums since the start
Napi::Value reset_memory_figures(Call& call) {
  const auto index = device_at(call.integer(0, "device")).index();
  if (call.boolean(1, "accumulated")) {
    allocator().resetAccumulatedStats(index);
  } else {
    allocator().resetPeakStats(index);
  }
  return call.env().Undefined();
}

// memoryInfo(index): [free, total], of the whole device
Napi::Value memory_info(Call& call) {
  const auto [free, total] = allocator().getMemoryInfo(device_at(call.integer(0, "device")).index());
  auto result = Napi::Array::New(call.env(), 2);
  result[0u] = static_cast<double>(free);
  result[1u] = static_cast<double>(total);
  return result;
}

Napi::Value empty_cache(Call& call) {
  accelerator_type();
  empty_caches();
  return call.env().Undefined();
}

}  // namespace

void register_devices(Napi::Env env, Napi::Object exports) {
  define<count_devices>(env, exports, "deviceCount");
  define<current_device>(env, exports, "currentDevice");
  define<set_device>(env, exports, "setDevice");
  define<wait_for_device>(env, exports, "synchronize");
  define<driver>(env, exports, "driver");
  define<device_memory>(env, exports, "deviceMemory");
  define<reset_memory_figures>(env, exports, "resetMemoryFigures");
  define<memory_info>(env, exports, "memoryInfo");
  define<empty_cache>(env, exports, "emptyCache");
  register_streams(env, exports);
  register_backends(env, exports);
}

}  // namespace steppe::device
