#include "run_shards.h"

#include <atomic>

#include "../device/accelerator.h"
#include "../kernel_threads.h"
#include "../step_memory.h"

namespace steppe::sam {

void run_shards(size_t count, size_t threads, const std::function<void(size_t, size_t)>& job) {
  const auto context = device::Context::here();
  std::atomic<size_t> next{0};
  const auto work = [&](int64_t thread) {
    context.enter();
    OneKernelThread one;
    StepMemory memory(thread);  // what a job makes between its passes, too
    for (size_t j = next++; j < count; j = next++) job(j, static_cast<size_t>(thread));
  };
  if (threads == 1) {
    work(0);
  } else {
    on_kernel_threads(static_cast<int64_t>(threads), work);
  }
}

}  // namespace steppe::sam
