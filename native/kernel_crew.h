#pragma once
#include <c10/util/FunctionRef.h>
#include <c10/util/ParallelGuard.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

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

// So long a thread looks before it does what another was to do: mostly that one comes sooner, and finds in its caches what it needs.
constexpr int kPatience = 64;

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
  // How many there are for so many threads.
  int64_t parts(int64_t of) const { return (count + size(of) - 1) / size(of); }
  // The i-th.
  void part(int64_t i, int64_t of) const {
    const auto most = size(of), first = i * most;
    if (first >= count) return;
    const c10::ParallelGuard guard(true);
    try {
      body(first, std::min(most, count - first));
    } catch (...) {
      failure->take();
    }
  }

 private:
  int64_t size(int64_t of) const { return (count + of - 1) / of; }
};

// A thread that leads and others that watch for its work. They may come at any time; the leader takes them in where it wants to. Each has a part of
// each work, a round. Who is not there when its part is to be done, since the system runs something else on its processor, does not hold up the
// others: the leader does that part, too.
class Crew {
 public:
  // By the leader.
  int64_t size() const { return size_; }
  // Of so many threads at most.
  void begin(int64_t most) {
    round_.store(0, std::memory_order_relaxed);
    if (begun_.size() < static_cast<size_t>(most)) begun_ = std::vector<Begun>(static_cast<size_t>(most));
    for (auto& each : begun_) each.round.store(0, std::memory_order_relaxed);
    size_ = 1;
  }
  // So many are there from the start.
  void started_with(int64_t size) { size_ = std::min(size, static_cast<int64_t>(begun_.size())); }
  void take_in() {
    const auto came = std::min(came_.load(std::memory_order_acquire), static_cast<int64_t>(begun_.size()) - 1);
    if (came + 1 == size_) return;
    size_ = came + 1;
    taken_in_.store(static_cast<uint64_t>(came) << kRoundBits | number_of(round_.load(std::memory_order_relaxed)), std::memory_order_release);
  }
  void run(const Work& work) {
    const auto parts = work.parts(size_);
    work_ = work;
    of_ = size_;
    done_.store(0, std::memory_order_relaxed);
    const auto number = number_of(round_.load(std::memory_order_relaxed)) + 1;
    round_.store(number << kPartBits | static_cast<uint64_t>(parts), std::memory_order_release);
    work_.part(0, of_);
    int64_t own = 1;
    int looks = 0;
    watch([&] {
      if (++looks == kPatience) {
        for (int64_t i = 1; i < parts; i++) {
          if (!begins(i, number)) continue;
          work_.part(i, of_);
          own++;
        }
      }
      return done_.load(std::memory_order_acquire) + own == parts;
    });
  }
  void end() { round_.store(kEnd, std::memory_order_release); }

  // By another: until the leader ends. The i-th of those that were there from the start.
  void serve(int64_t i, uint64_t seen = 0) {
    for (;;) {
      uint64_t round = 0;
      watch([&] { return number_of(round = round_.load(std::memory_order_acquire)) != seen; });
      if (round == kEnd) return;
      seen = number_of(round);
      // The work can be read once the part has begun: the leader waits for it, or has done it and gone on.
      if (i >= static_cast<int64_t>(round & kParts) || !begins(i, seen)) continue;
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
    if (static_cast<int64_t>(taken_in >> kRoundBits) >= i) serve(i, taken_in & ((uint64_t{1} << kRoundBits) - 1));
  }
  // Threads that have joined, taken in or not.
  int64_t came() const { return came_.load(std::memory_order_relaxed); }
  bool has_ended() const { return round_.load(std::memory_order_acquire) == kEnd; }

 private:
  static constexpr uint64_t kEnd = UINT64_MAX;
  static constexpr int kRoundBits = 48, kPartBits = 16;  // of 64: a round's number, and how many parts it has
  static constexpr uint64_t kParts = (uint64_t{1} << kPartBits) - 1;
  static uint64_t number_of(uint64_t round) { return round >> kPartBits; }

  // The last round whose i-th part somebody has begun.
  struct alignas(64) Begun {
    std::atomic<uint64_t> round{0};
  };
  bool begins(int64_t i, uint64_t round) {
    auto& last = begun_[static_cast<size_t>(i)].round;
    auto before = last.load(std::memory_order_relaxed);
    return before < round && last.compare_exchange_strong(before, round, std::memory_order_acq_rel);
  }

  int64_t size_ = 1;  // with the leader
  std::vector<Begun> begun_;
  alignas(64) std::atomic<uint64_t> round_{0};  // and in the same line, which comes with it:
  Work work_{};
  int64_t of_ = 0;
  alignas(64) std::atomic<int64_t> done_{0};
  alignas(64) std::atomic<int64_t> came_{0};
  std::atomic<uint64_t> taken_in_{0};  // how many of them, and the round before their first
};

}  // namespace steppe::kernel_threads
