#pragma once
#include <atomic>
#include <thread>

namespace steppe {

// Tells the processor that this thread watches for another's work.
inline void spin() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

// A mutex for what mostly takes some tens of nanoseconds, as long as a std::mutex takes to be locked and unlocked. Where it takes longer, or the
// system runs something else than the one that holds it, the others leave it their processor.
class SpinLock {
 public:
  void lock() {
    for (int looks = 0; held_.exchange(true, std::memory_order_acquire); looks++) looks < kLooks ? spin() : std::this_thread::yield();
  }
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  static constexpr int kLooks = 64;
  std::atomic<bool> held_{false};
};

}  // namespace steppe
