#include "step_memory.h"

#include <c10/core/CPUAllocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#ifndef _WIN32
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <set>
#include <vector>

namespace steppe {
namespace {

thread_local int guards = 0;

constexpr size_t kAlignment = 64;               // of LibTorch's CPU allocator
constexpr size_t kSmall = 4096;                 // blocks up to this size are cut from slabs and kept by size
constexpr size_t kSlab = size_t{256} << 10;
constexpr size_t kSegment = size_t{256} << 20;  // address space: it becomes memory where it is touched

// Stands before each block's data. Neighbours are those in the segment.
struct alignas(kAlignment) Block {
  size_t size;  // of the data
  Block *before, *after;
  bool free;
  char* data() { return reinterpret_cast<char*>(this + 1); }
  static Block* of(void* data) { return static_cast<Block*>(data) - 1; }
};
static_assert(sizeof(Block) == kAlignment);

struct BySize {
  bool operator()(const Block* a, const Block* b) const { return a->size != b->size ? a->size < b->size : a < b; }
};

// Best fit in a few large segments. Free neighbours are merged at once, so that what one step used serves any other.
class Arena {
 public:
  // null: the system has no memory for it.
  void* allocate(size_t bytes) {
    const auto size = std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
    std::lock_guard lock(mutex_);
    auto* block = size <= kSmall ? take_small(size) : take(size);
    if (block == nullptr) return nullptr;
    used_ += block->size;
    most_used_ = std::max(most_used_, used_);
    return block->data();
  }

  void free(void* data) {
    auto* block = Block::of(data);
    std::lock_guard lock(mutex_);
    used_ -= block->size;
    if (block->size <= kSmall) {
      small_[block->size / kAlignment].push_back(block);
    } else {
      put(block);
    }
  }

  bool owns(const void* data) const {
    // Read without the lock: a segment's place is written before anybody can hold a block of it.
    for (size_t i = 0; i < segment_count_.load(std::memory_order_acquire); i++) {
      const auto* begin = segments_[i].load(std::memory_order_relaxed);
      if (data >= begin && data < begin + sizes_[i].load(std::memory_order_relaxed)) return true;
    }
    return false;
  }

  void release() {
#ifndef _WIN32
    std::lock_guard lock(mutex_);
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    for (auto* block : large_) {
      const auto begin = (reinterpret_cast<uintptr_t>(block->data()) + page - 1) / page * page;
      const auto end = reinterpret_cast<uintptr_t>(block->data() + block->size) / page * page;
      if (end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
    most_used_ = used_;
#endif
  }

  StepMemory::Figures figures() {
    std::lock_guard lock(mutex_);
    return {used_, most_used_};
  }

 private:
  Block* take_small(size_t size) {
    auto& list = small_[size / kAlignment];
    if (!list.empty()) {
      auto* block = list.back();
      list.pop_back();
      return block;
    }
    if (slab_left_ < sizeof(Block) + size) {
      auto* slab = take(kSlab);
      if (slab == nullptr) return nullptr;
      slab_ = slab->data();
      slab_left_ = kSlab;
    }
    auto* block = new (slab_) Block{size, nullptr, nullptr, false};
    slab_ += sizeof(Block) + size;
    slab_left_ -= sizeof(Block) + size;
    return block;
  }

  Block* take(size_t size) {
    Block wanted{size, nullptr, nullptr, true};
    auto found = large_.lower_bound(&wanted);
    if (found == large_.end()) {
      if (!add_segment(size)) return nullptr;
      found = large_.lower_bound(&wanted);
    }
    auto* block = *found;
    large_.erase(found);
    block->free = false;
    // The rest stays free, if it is worth a block of its own.
    if (block->size > size + sizeof(Block) + kSmall) {
      auto* rest = new (block->data() + size) Block{block->size - size - sizeof(Block), block, block->after, true};
      if (rest->after != nullptr) rest->after->before = rest;
      block->after = rest;
      block->size = size;
      large_.insert(rest);
    }
    return block;
  }

  void put(Block* block) {
    const auto absorb = [&](Block* first, Block* second) {
      first->size += sizeof(Block) + second->size;
      first->after = second->after;
      if (first->after != nullptr) first->after->before = first;
    };
    if (auto* after = block->after; after != nullptr && after->free) {
      large_.erase(after);
      absorb(block, after);
    }
    if (auto* before = block->before; before != nullptr && before->free) {
      large_.erase(before);
      absorb(before, block);
      block = before;
    }
    block->free = true;
    large_.insert(block);
  }

  bool add_segment(size_t size) {
#ifdef _WIN32
    return false;
#else
    const auto count = segment_count_.load(std::memory_order_relaxed);
    if (count == segments_.size()) return false;
    const auto need = (size + sizeof(Block) + (size_t{2} << 20) - 1) >> 21 << 21;
    for (const auto length : {std::max(need, kSegment), need}) {
      auto* memory = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (memory == MAP_FAILED) continue;
      segments_[count].store(static_cast<char*>(memory), std::memory_order_relaxed);
      sizes_[count].store(length, std::memory_order_relaxed);
      segment_count_.store(count + 1, std::memory_order_release);
      large_.insert(new (memory) Block{length - sizeof(Block), nullptr, nullptr, true});
      return true;
    }
    return false;
#endif
  }

  std::mutex mutex_;
  std::set<Block*, BySize> large_;  // free ones
  std::array<std::vector<Block*>, kSmall / kAlignment + 1> small_;
  char* slab_ = nullptr;
  size_t slab_left_ = 0;
  std::array<std::atomic<char*>, 256> segments_{};
  std::array<std::atomic<size_t>, 256> sizes_{};
  std::atomic<size_t> segment_count_{0};
  size_t used_ = 0, most_used_ = 0;
};

Arena& arena() {
  static auto* instance = new Arena;  // leaked: tensors may be freed while the process ends
  return *instance;
}

// A recorder that watches this thread wants to know, as LibTorch's own allocator tells it.
void report(void* data, int64_t bytes) {
  if (guards > 0 && c10::memoryProfilingEnabled()) c10::reportMemoryUsageToProfiler(data, bytes, 0, 0, c10::Device(c10::kCPU));
}

void free_in_arena(void* data) {
  report(data, -static_cast<int64_t>(Block::of(data)->size));
  arena().free(data);
}

void free_anywhere(void* data) {
  if (arena().owns(data)) {
    free_in_arena(data);
  } else {
    c10::GetDefaultCPUAllocator()->raw_deallocate(data);
  }
}

class StepAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (guards > 0 && bytes > 0) {
      if (auto* data = arena().allocate(bytes)) {
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

StepMemory::StepMemory() { guards++; }
StepMemory::~StepMemory() { guards--; }

void StepMemory::release() { arena().release(); }
StepMemory::Figures StepMemory::figures() { return arena().figures(); }

void StepMemory::install() {
  static std::once_flag once;
  std::call_once(once, [] {
    // A user's own allocator stays in charge.
    if (c10::GetCPUAllocator() == c10::GetDefaultCPUAllocator()) c10::SetCPUAllocator(new StepAllocator, 1);
  });
}

}  // namespace steppe
