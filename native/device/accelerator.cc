#include "accelerator.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <string>

#include "../errors.h"
#include "driver.h"

namespace steppe::device {

// Never changes while a process runs, and asking costs more than an operator.
int device_count() {
  static const int devices = [] {
    const auto accelerator = at::getAccelerator(false);
    return accelerator.has_value() ? static_cast<int>(at::accelerator::deviceCount()) : 0;
  }();
  return devices;
}

c10::DeviceType accelerator_type() {
  if (device_count() > 0) return *at::getAccelerator(false);
  if (!at::getAccelerator(false).has_value()) {
    fail(Code::device, "Expected a GPU that LibTorch can use but this LibTorch is a CPU build. `npx steppe doctor` tells what is on this machine, and how to set up a CUDA build.");
  }
  const auto driver = ask_driver();
  fail(Code::device, "Expected a GPU that LibTorch can use but found none: " +
                         (driver.problem.empty() ? "NVIDIA's driver runs, and LibTorch could not use its GPUs" : driver.problem) + ". `npx steppe doctor` tells more.");
}

c10::Device device_at(int64_t index) {
  const auto accelerator = accelerator_type();
  if (index < -1 || index >= device_count()) {
    fail_expected(device_count() == 1 ? "0, the one device that is here" : "the number of a device that is here, 0 to " + std::to_string(device_count() - 1), "device", std::to_string(index));
  }
  at::globalContext().lazyInitDevice(accelerator);
  return {accelerator, index < 0 ? at::accelerator::getDeviceIndex() : static_cast<c10::DeviceIndex>(index)};
}

Context Context::here() {
  Context context;
  const int devices = device_count();
  if (devices == 0) return context;
  context.current_ = at::accelerator::getDeviceIndex();
  for (int i = 0; i < devices; i++) context.streams_.push_back(at::accelerator::getCurrentStream(static_cast<c10::DeviceIndex>(i)));
  return context;
}

void Context::enter() const {
  if (current_ < 0) return;
  for (const auto& stream : streams_)
    if (at::accelerator::getCurrentStream(stream.device_index()) != stream) at::accelerator::setCurrentStream(stream);
  if (at::accelerator::getDeviceIndex() != current_) at::accelerator::setDeviceIndex(current_);
}

void empty_caches() {
  if (device_count() == 0) return;
  auto* allocator = at::getDeviceAllocator(accelerator_type());
  std::lock_guard lock(capturing());
  if (allocator->initialized()) allocator->emptyCache();
}

void synchronize(c10::Device device) {
  std::lock_guard lock(capturing());
  at::accelerator::synchronizeDevice(device.index());
}

std::mutex& capturing() {
  static auto* mutex = new std::mutex;  // never destroyed: threads may still ask while the process ends
  return *mutex;
}

}  // namespace steppe::device
