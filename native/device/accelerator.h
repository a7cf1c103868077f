#pragma once
#include <c10/core/Device.h>
#include <c10/core/Stream.h>

#include <mutex>
#include <vector>

namespace steppe::device {

// How many accelerators LibTorch can use here: 0 for a CPU build, and where there is no driver or no device.
int device_count();

// The type of the accelerators. Throws Code::device where there is none.
c10::DeviceType accelerator_type();

// A device by its index, -1 for the current one. Throws where there is no such device.
c10::Device device_at(int64_t index);

// The current device and streams of a thread, to be carried over to another: each thread has its own.
class Context {
 public:
  // This thread's.
  static Context here();
  // Makes them this thread's.
  void enter() const;

 private:
  c10::DeviceIndex current_ = -1;  // -1: there are no accelerators
  std::vector<c10::Stream> streams_;
};

// Gives the memory that LibTorch keeps for tensors to come back to the devices.
void empty_caches();
// Waits for all that was asked of a device.
void synchronize(c10::Device device);

// Held while a graph is captured, on whichever thread: meanwhile CUDA refuses to wait for a whole device, and LibTorch to empty its caches.
std::mutex& capturing();

}  // namespace steppe::device
