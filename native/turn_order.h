#pragma once
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "errors.h"
#include "spin.h"

namespace steppe {

// Lets several runs of programs move the same buffers, and draw from the same generator, at the same time, with the result of running one after
// the other.
//
// Of each program the instructions that do so are numbered: its turns. Run j takes its turn k once run j−1 is
// done with the last turn that touches a buffer of turn k. A run that fails stops those after it, and none before it.
class TurnOrder {
 public:
  explicit TurnOrder(size_t runs) : done_(runs) {}
  virtual ~TurnOrder() = default;

  // Waits until the run before has done `turns` turns. false: a run before this one has failed, there is nothing to wait for.
  virtual bool wait(size_t run, uint32_t turns) {
    if (run == 0) return true;
    // Mostly it is a matter of microseconds, fewer than sleeping and waking take.
    for (int i = 0; i < kLooks; i++) {
      if (has_failed_before(run)) return false;
      if (done_[run - 1].load(std::memory_order_acquire) >= turns) return true;
      spin();
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return has_failed_before(run) || done_[run - 1] >= turns; });
    return !has_failed_before(run);
  }
  virtual void done(size_t run) {
    {
      std::lock_guard lock(mutex_);
      done_[run]++;
    }
    changed_.notify_all();
  }
  void fail(size_t run) {
    {
      std::lock_guard lock(mutex_);
      failed_ = std::min(failed_.load(), run);
    }
    changed_.notify_all();
  }
  bool has_failed_before(size_t run) const { return failed_.load(std::memory_order_relaxed) < run; }

 private:
  static constexpr int kLooks = 1 << 12;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::atomic<uint32_t>> done_;
  std::atomic<size_t> failed_{SIZE_MAX};  // the first of them
};

// A run's place among others.
struct OrderedRun {
  TurnOrder* order = nullptr;
  size_t run = 0;
};

// An instruction's turn, held from `take` to `give`. A kernel that knows when it touches the buffers does both by itself (`by_kernel`), so
// that other runs wait for no more than that.
class Turn {
 public:
  Turn(const OrderedRun& turns, uint32_t turns_before, bool by_kernel) : turns_(turns), turns_before_(turns_before) { current_ = by_kernel ? this : nullptr; }
  ~Turn() { current_ = nullptr; }
  Turn(const Turn&) = delete;

  void take() {
    if (!turns_.order->wait(turns_.run, turns_before_)) fail(Code::closed, "A shard before this one has failed.");
  }
  void give() {
    if (!std::exchange(given_, true)) turns_.order->done(turns_.run);
  }
  // That which the kernel this thread is in is to take; null where nobody else moves its buffers, or the turn is held for all of it.
  static Turn* current() { return current_; }

 private:
  const OrderedRun& turns_;
  const uint32_t turns_before_;
  bool given_ = false;
  static inline thread_local Turn* current_ = nullptr;
};

}  // namespace steppe
