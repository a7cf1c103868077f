#include "arena.h"

#ifndef _WIN32
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <mutex>
#include <new>

namespace steppe {
namespace {

constexpr size_t kSlab = size_t{256} << 10;
constexpr size_t kSegment = size_t{256} << 20;  // address space: it becomes memory where it is touched
constexpr size_t kSlack = size_t{8} << 20;      // what may be touched in any case beyond what the largest step has needed
constexpr size_t kHugePage = size_t{2} << 20;   // of one address translation instead of 512, where the system has them

constexpr size_t rounded_up(size_t size, size_t to) { return (size + to - 1) / to * to; }

}  // namespace

// Stands before each block's data. Neighbours are those in the segment.
struct alignas(64) Arena::Block {
  size_t size;   // of the data
  size_t asked;  // of it
  Block *before, *after;
  uint32_t arena;  // its number
  bool merged;
  char* data() { return reinterpret_cast<char*>(this + 1); }
  static Block* of(void* data) { return static_cast<Block*>(data) - 1; }
};

bool Arena::BySize::operator()(const Block* a, const Block* b) const { return a->size != b->size ? a->size < b->size : a < b; }
bool Arena::BySize::operator()(const Block* a, size_t size) const { return a->size < size; }

size_t Arena::size_of(void* data) { return Block::of(data)->size; }
uint32_t Arena::number_of(void* data) { return Block::of(data)->arena; }

void* Arena::allocate(size_t bytes) {
  static_assert(sizeof(Block) == kAlignment && alignof(Block) == kAlignment);
  const auto size = std::max(kAlignment, rounded_up(bytes, kAlignment));
  std::lock_guard guard(lock_);
  auto* block = size <= kSmall ? take_small(size) : take_kept(size);
  if (block == nullptr) return nullptr;
  used_ += block->size;
  most_used_ = std::max(most_used_, used_);
  return block->data();
}

void Arena::free(void* data) {
  auto* block = Block::of(data);
  std::lock_guard guard(lock_);
  used_ -= block->size;
  if (block->size <= kSmall) {
    small_[block->size / kAlignment].push_back(block);
  } else {
    kept_[block->asked].push_back(block);
  }
}

bool Arena::owns(const void* data) const {
  // Read without the lock: a segment's place is written before anybody can hold a block of it.
  for (size_t i = 0; i < segment_count_.load(std::memory_order_acquire); i++) {
    const auto* begin = segments_[i].load(std::memory_order_relaxed);
    if (data >= begin && data < begin + sizes_[i].load(std::memory_order_relaxed)) return true;
  }
  return false;
}

void Arena::release() {
#ifndef _WIN32
  std::lock_guard guard(lock_);
  merge_kept();
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  for (auto* block : merged_) {
    const auto begin = rounded_up(reinterpret_cast<uintptr_t>(block->data()), page);
    const auto end = reinterpret_cast<uintptr_t>(block->data() + block->size) / page * page;
    if (end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    if (block->after == nullptr) frontier_of(block) = std::min(frontier_of(block), block->data());
  }
  most_used_ = used_;
#endif
}

Arena::Figures Arena::figures() {
  std::lock_guard guard(lock_);
  return {used_, most_used_};
}

Arena::Block* Arena::take_small(size_t size) {
  auto& list = small_[size / kAlignment];
  if (!list.empty()) {
    auto* block = list.back();
    list.pop_back();
    return block;
  }
  if (slab_left_ < sizeof(Block) + size) {
    auto* slab = take_merged(kSlab, /*may_grow=*/true);
    if (slab == nullptr) return nullptr;
    slab_ = slab->data();
    slab_left_ = kSlab;
  }
  auto* block = new (slab_) Block{size, size, nullptr, nullptr, number_, false};
  slab_ += sizeof(Block) + size;
  slab_left_ -= sizeof(Block) + size;
  return block;
}

Arena::Block* Arena::take_kept(size_t size) {
  if (const auto found = kept_.find(size); found != kept_.end() && !found->second.empty()) {
    auto* block = found->second.back();
    found->second.pop_back();
    return block;
  }
  if (auto* block = take_merged(size, /*may_grow=*/false)) return block;
  const auto most = std::max(most_used_, used_ + size);
  if (touched() + size > most + std::max(most / 4, kSlack)) merge_kept();
  if (auto* block = take_merged(size, /*may_grow=*/true)) return block;
  merge_kept();
  return take_merged(size, /*may_grow=*/true);
}

char*& Arena::frontier_of(const void* data) {
  size_t i = 0;
  while (data < segments_[i].load(std::memory_order_relaxed) || data >= segments_[i].load(std::memory_order_relaxed) + sizes_[i].load(std::memory_order_relaxed)) i++;
  return frontiers_[i];
}

size_t Arena::touched() const {
  size_t sum = 0;
  for (size_t i = 0; i < segment_count_.load(std::memory_order_relaxed); i++) sum += static_cast<size_t>(frontiers_[i] - segments_[i].load(std::memory_order_relaxed));
  return sum;
}

Arena::Block* Arena::take_merged(size_t size, bool may_grow) {
  auto found = merged_.lower_bound(size);
  if (found == merged_.end()) {
    if (!may_grow || !add_segment(size)) return nullptr;
    found = merged_.lower_bound(size);
  }
  auto* block = *found;
  auto*& frontier = frontier_of(block);
  if (!may_grow && block->data() + size > frontier) return nullptr;
  merged_.erase(found);
  block->merged = false;
  block->asked = size;
  // The rest stays free, if it is worth a block of its own.
  if (block->size > size + sizeof(Block) + kSmall) {
    const auto left = block->size - size - sizeof(Block);
    auto* rest = new (block->data() + size) Block{left, left, block, block->after, number_, true};
    if (rest->after != nullptr) rest->after->before = rest;
    block->after = rest;
    block->size = size;
    merged_.insert(rest);
  }
  frontier = std::max(frontier, block->data() + block->size);
  return block;
}

void Arena::merge(Block* block) {
  const auto absorb = [](Block* first, Block* second) {
    first->size += sizeof(Block) + second->size;
    first->after = second->after;
    if (first->after != nullptr) first->after->before = first;
  };
  if (auto* after = block->after; after != nullptr && after->merged) {
    merged_.erase(after);
    absorb(block, after);
  }
  if (auto* before = block->before; before != nullptr && before->merged) {
    merged_.erase(before);
    absorb(before, block);
    block = before;
  }
  block->merged = true;
  merged_.insert(block);
}

void Arena::merge_kept() {
  for (const auto& [asked, blocks] : kept_)
    for (auto* block : blocks) merge(block);
  kept_.clear();
}

bool Arena::add_segment(size_t size) {
#ifdef _WIN32
  return false;
#else
  const auto count = segment_count_.load(std::memory_order_relaxed);
  if (count == segments_.size()) return false;
  const auto need = rounded_up(size + sizeof(Block), kHugePage);
  for (const auto length : {std::max(need, kSegment), need}) {
    auto* mapped = mmap(nullptr, length + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) continue;
    auto* memory = reinterpret_cast<char*>(rounded_up(reinterpret_cast<uintptr_t>(mapped), kHugePage));
#ifdef MADV_HUGEPAGE
    madvise(memory, length, MADV_HUGEPAGE);
#endif
    segments_[count].store(memory, std::memory_order_relaxed);
    sizes_[count].store(length, std::memory_order_relaxed);
    frontiers_[count] = memory;
    segment_count_.store(count + 1, std::memory_order_release);
    merged_.insert(new (memory) Block{length - sizeof(Block), length - sizeof(Block), nullptr, nullptr, number_, true});
    return true;
  }
  return false;
#endif
}

}  // namespace steppe
