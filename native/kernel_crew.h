#pragma once
#include <c10/util/FunctionRef.h>
#include <c10/util/ParallelGuard.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <thread>

#include "spin.h"

// How one thread has others take part in its kernels, each of which takes microseconds.
namespace steppe::kernel_threads {

// Another thread is at work, and has a processor unless the system gave it to somebody else. What takes milliseconds is not worth a processor
// of its own.
template <class Done>
void watch(const Done& done) {
  constexpr int kLooks = 1 << 10, kYields = 1 << 12;  // some tens of microseconds, some milliseconds
  for (int looks = 0; !done(); looks++) {
    if (looks < kLooks) {
      spin();
    } else if (looks < kYields) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }
}

using Body = c10::function_ref<void(int64_t first, int64_t size)>;

// What the first part that failed threw.
class Failure {
 public:
  void take() {
    if (!failed_.test_and_set()) exception_ = std::current_exception();
  }
  void end() const {
    if (exception_ != nullptr) std::rethrow_exception(exception_);
  }

 private:
  std::atomic_flag failed_;
  std::exception_ptr exception_;
};

// The parts of one call.
struct Work {
  int64_t count;
  Body body;
  Failure* failure;
  // Of `of` threads the i-th's.
  void part(int64_t i, int64_t of) const {
    const auto most = (count + of - 1) / of, first = i * most;
    if (first >= count) return;
    const c10::ParallelGuard guard(true);
    try {
      body(first, std::min(most, count - first));
    } catch (...) {
      failure->take();
    }
  }
};

// A thread that leads and others that watch for its work. They may come at any time; the leader takes them in where it wants to.
class Crew {
 public:
  // By the leader.
  int64_t size() const { return size_; }
  void begin() {
    round_.store(0, std::memory_order_relaxed);
    size_ = 1;
  }
  // So many are there from the start.
  void started_with(int64_t size) { size_ = size; }
  void take_in() {
    const auto came = came_.load(std::memory_order_acquire);
    if (came + 1 == size_) return;
    size_ = came + 1;
    taken_in_.store(static_cast<uint64_t>(came) << kRoundBits | round_.load(std::memory_order_relaxed), std::memory_order_release);
  }
  void run(const Work& work) {
    work_ = work;
    of_ = size_;
    done_.store(0, std::memory_order_relaxed);
    round_.store(round_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    work.part(0, of_);
    watch([&] { return done_.load(std::memory_order_acquire) == of_ - 1; });
  }
  void end() { round_.store(kEnd, std::memory_order_release); }

  // By another: until the leader ends. The i-th of those that were there from the start.
  void serve(int64_t i, uint64_t seen = 0) {
    for (;;) {
      uint64_t round = seen;
      watch([&] { return (round = round_.load(std::memory_order_acquire)) != seen; });
      if (round == kEnd) return;
      seen = round;
      work_.part(i, of_);
      done_.fetch_add(1, std::memory_order_release);
    }
  }
  // One that comes later.
  void join() {
    const auto i = came_.fetch_add(1, std::memory_order_acq_rel) + 1;
    uint64_t taken_in = 0;
    watch([&] {
      taken_in = taken_in_.load(std::memory_order_acquire);
      return static_cast<int64_t>(taken_in >> kRoundBits) >= i || has_ended();
    });
    // The next round is the first: no other is taken in, and no round begins, before all have had their part of it.
    if (static_cast<int64_t>(taken_in >> kRoundBits) >= i) serve(i, taken_in & ((uint64_t{1} << kRoundBits) - 1));
  }
  // Threads that have joined, taken in or not.
  int64_t came() const { return came_.load(std::memory_order_relaxed); }
  bool has_ended() const { return round_.load(std::memory_order_acquire) == kEnd; }

 private:
  static constexpr uint64_t kEnd = UINT64_MAX;
  static constexpr int kRoundBits = 48;

  int64_t size_ = 1;  // with the leader
  alignas(64) std::atomic<uint64_t> round_{0};  // and in the same line, which comes with it:
  Work work_{};
  int64_t of_ = 0;
  alignas(64) std::atomic<int64_t> done_{0};
  alignas(64) std::atomic<int64_t> came_{0};
  std::atomic<uint64_t> taken_in_{0};  // how many of them, and the round before their first
};

}  // namespace steppe::kernel_threads
