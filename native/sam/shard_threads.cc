#include "shard_threads.h"

#include <ATen/Parallel.h>

#include "../openmp.h"

namespace steppe::sam {

ShardThreads::~ShardThreads() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void ShardThreads::start(size_t threads) {
  if (threads_.size() >= threads) return;
  // Setting the number of kernel threads sets the default of threads to come, too: that is put back once all have started.
  const int kernel_threads = at::get_num_threads();
  while (threads_.size() < threads) threads_.emplace_back([this, index = threads_.size()] { loop(index); });
  {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [&] { return ready_ == threads_.size(); });
  }
  at::set_num_threads(kernel_threads);
}

void ShardThreads::run(size_t count, size_t threads, const std::function<void(size_t, size_t)>& job) {
  start(threads);
  release_kernel_threads();  // the caller's: they would watch for its next kernel on the shards' processors
  std::unique_lock lock(mutex_);
  job_ = &job;
  context_ = device::Context::here();
  next_ = 0;
  count_ = count;
  allowed_ = threads;
  wake_.notify_all();
  idle_.wait(lock, [&] { return next_ == count_ && busy_ == 0; });
  job_ = nullptr;
}

void ShardThreads::loop(size_t index) {
  at::get_num_threads();  // a thread's first question sets the default: it must not come after
  at::set_num_threads(1);
  std::unique_lock lock(mutex_);
  ready_++;
  idle_.notify_all();
  for (;;) {
    wake_.wait(lock, [&] { return stopping_ || (job_ != nullptr && next_ < count_ && index < allowed_); });
    if (stopping_) return;
    const size_t j = next_++;
    busy_++;
    const auto context = context_;
    lock.unlock();
    context.enter();
    (*job_)(j, index);
    lock.lock();
    busy_--;
    if (next_ == count_ && busy_ == 0) idle_.notify_all();
  }
}

}  // namespace steppe::sam
