#include "step_memory.h"

#include <c10/core/CPUAllocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include "arena.h"

namespace steppe {
namespace {

thread_local int guards = 0;
thread_local size_t current = 0;  // arena

constexpr size_t kArenas = 64;  // more threads than these share them
std::array<std::atomic<Arena*>, kArenas> arenas;  // leaked: tensors may be freed while the process ends

Arena& arena(size_t at) {
  auto& slot = arenas[at % kArenas];
  if (auto* found = slot.load(std::memory_order_acquire)) return *found;
  auto fresh = std::make_unique<Arena>(at % kArenas);
  Arena* none = nullptr;
  return slot.compare_exchange_strong(none, fresh.get()) ? *fresh.release() : *none;
}

// A recorder that watches this thread wants to know, as LibTorch's own allocator tells it.
void report(void* data, int64_t bytes) {
  if (guards > 0 && c10::memoryProfilingEnabled()) c10::reportMemoryUsageToProfiler(data, bytes, 0, 0, c10::Device(c10::kCPU));
}

void free_in_arena(void* data) {
  report(data, -static_cast<int64_t>(Arena::size_of(data)));
  arena(Arena::number_of(data)).free(data);
}

template <class Body>
void each_arena(const Body& body) {
  for (auto& slot : arenas)
    if (auto* arena = slot.load(std::memory_order_acquire)) body(*arena);
}

bool owned(const void* data) {
  bool found = false;
  each_arena([&](const Arena& arena) { found = found || arena.owns(data); });
  return found;
}

void free_anywhere(void* data) {
  if (owned(data)) {
    free_in_arena(data);
  } else {
    c10::GetDefaultCPUAllocator()->raw_deallocate(data);
  }
}

class StepAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (guards > 0 && bytes > 0) {
      if (auto* data = arena(current).allocate(bytes)) {
        report(data, static_cast<int64_t>(bytes));
        return {data, data, &free_in_arena, c10::Device(c10::kCPU)};
      }
    }
    return c10::GetDefaultCPUAllocator()->allocate(bytes);
  }
  c10::DeleterFnPtr raw_deleter() const override { return &free_anywhere; }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }
};

}  // namespace

StepMemory::StepMemory() : StepMemory(current) {}
StepMemory::StepMemory(size_t arena) : before_(std::exchange(current, arena)) { guards++; }
StepMemory::~StepMemory() {
  guards--;
  current = before_;
}

void StepMemory::release() {
  each_arena([](Arena& arena) { arena.release(); });
}

StepMemory::Figures StepMemory::figures() {
  Figures all{};
  each_arena([&](Arena& arena) {
    const auto [used, most_used] = arena.figures();
    all.used += used;
    all.most_used += most_used;
  });
  return all;
}

void StepMemory::install() {
  static std::once_flag once;
  std::call_once(once, [] {
    // A user's own allocator stays in charge.
    if (c10::GetCPUAllocator() == c10::GetDefaultCPUAllocator()) c10::SetCPUAllocator(new StepAllocator, 1);
  });
}

}  // namespace steppe
