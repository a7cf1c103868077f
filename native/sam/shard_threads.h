#pragma once
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "../device/accelerator.h"

namespace steppe::sam {

// Threads for a step's shards, kept from step to step: LibTorch gives every thread that calls it kernel threads of its own.
// Here each has one, so that a shard's numbers do not depend on how many threads there are.
class ShardThreads {
 public:
  ShardThreads() = default;
  ~ShardThreads();
  ShardThreads(const ShardThreads&) = delete;

  // Calls job(j, thread) for j from 0 to count − 1 on at most `threads` threads; lower j begin first. Waits for all of them.
  // `job` must not throw.
  void run(size_t count, size_t threads, const std::function<void(size_t j, size_t thread)>& job);

 private:
  void start(size_t threads);
  void loop(size_t index);

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  const std::function<void(size_t, size_t)>* job_ = nullptr;
  device::Context context_;  // the caller's
  size_t next_ = 0, count_ = 0, allowed_ = 0, busy_ = 0, ready_ = 0;
  bool stopping_ = false;
};

}  // namespace steppe::sam
