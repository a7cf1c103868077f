#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <set>
#include <unordered_map>
#include <vector>

#include "spin.h"

namespace steppe {

// Memory that is kept from step to step, in a few large segments of address space. Any thread may allocate and free.
//
// A block that was freed waits for a tensor of its own size: kernel threads share such tensors in the same way, so that each writes the lines
// that it wrote before. To write what lies in another processor's cache takes as long as to read it, several times as long where the two share
// no cache. Where memory would be touched that is more than a quarter beyond what the largest step has needed, what waits becomes one again with
// its free neighbours, and the best fit serves.
class Arena {
 public:
  explicit Arena(uint32_t number) : number_(number) {}

  // null: the system has no memory for it.
  void* allocate(size_t bytes);
  void free(void* data);
  bool owns(const void* data) const;
  // Gives what nobody uses back to the system.
  void release();

  struct Figures {
    size_t used, most_used;  // bytes: now, and at most since `release`
  };
  Figures figures();

  // Of a block that any arena gave.
  static size_t size_of(void* data);
  static uint32_t number_of(void* data);

 private:
  struct Block;
  struct BySize {
    using is_transparent = void;
    bool operator()(const Block* a, const Block* b) const;
    bool operator()(const Block* a, size_t size) const;
  };

  Block* take_small(size_t size);
  Block* take_kept(size_t size);
  Block* take_merged(size_t size, bool may_grow);  // may_grow: into memory that was never touched
  char*& frontier_of(const void* data);            // of the segment that it lies in
  size_t touched() const;
  void merge(Block* block);
  void merge_kept();
  bool add_segment(size_t size);

  static constexpr size_t kAlignment = 64;  // of LibTorch's CPU allocator
  static constexpr size_t kSmall = 4096;    // blocks up to this size are cut from slabs and kept by size

  const uint32_t number_;
  SpinLock lock_;
  std::set<Block*, BySize> merged_;                         // free
  std::unordered_map<size_t, std::vector<Block*>> kept_;    // free, by the size that was asked for; the last one freed, which is in the caches, at the end
  std::array<std::vector<Block*>, kSmall / kAlignment + 1> small_;
  char* slab_ = nullptr;
  size_t slab_left_ = 0;
  std::array<std::atomic<char*>, 256> segments_{};
  std::array<std::atomic<size_t>, 256> sizes_{};
  std::array<char*, 256> frontiers_{};  // from here on a segment was never touched
  std::atomic<size_t> segment_count_{0};
  size_t used_ = 0, most_used_ = 0;
};

}  // namespace steppe
