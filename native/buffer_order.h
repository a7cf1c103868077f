#pragma once
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

namespace steppe {

// Lets several runs of programs move the same buffers at the same time, with the result of running one after the other.
//
// Of each program the instructions that touch such a buffer are numbered: its turns. Run j takes its turn k once run j−1 is
// done with the last turn that touches a buffer of turn k.
class BufferOrder {
 public:
  explicit BufferOrder(size_t runs) : done_(runs) {}
  virtual ~BufferOrder() = default;

  // Waits until the run before has done `turns` turns. false: a run has failed, there is nothing to wait for.
  virtual bool wait(size_t run, uint32_t turns) {
    if (run == 0) return true;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return failed_ || done_[run - 1] >= turns; });
    return !failed_;
  }
  virtual void done(size_t run) {
    {
      std::lock_guard lock(mutex_);
      done_[run]++;
    }
    changed_.notify_all();
  }
  void fail() {
    {
      std::lock_guard lock(mutex_);
      failed_ = true;
    }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<uint32_t> done_;
  bool failed_ = false;
};

// A run's place among others.
struct BufferTurns {
  BufferOrder* order = nullptr;
  size_t run = 0;
};

}  // namespace steppe
