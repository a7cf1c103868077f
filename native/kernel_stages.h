#pragma once
#include <c10/util/FunctionRef.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "kernel_crew.h"

namespace steppe::kernel_threads {

// Stages one after the other, each of as many parts.
class Stages {
 public:
  using StageBody = c10::function_ref<void(int64_t stage, int64_t part)>;
  Stages(int64_t stages, int64_t parts, StageBody body) : stages_(stages), begun_(static_cast<size_t>(parts)), body_(body) {}

  // What a thread does: of each stage the part that is its own, and what nobody else begins.
  void take_part(int64_t own) {
    const auto parts = static_cast<int64_t>(begun_.size());
    for (;;) {
      const auto stage = done_.load(std::memory_order_acquire) / parts;
      if (stage == stages_) return;
      do_part(stage, own);
      int looks = 0;
      watch([&] {
        if (++looks == kPatience)
          for (int64_t i = 0; i < parts; i++) do_part(stage, i);
        return done_.load(std::memory_order_acquire) >= (stage + 1) * parts;
      });
    }
  }

 private:
  struct alignas(64) Begun {
    std::atomic<int64_t> stages{0};  // so many of the part have begun
  };
  // If nobody has begun it.
  void do_part(int64_t stage, int64_t i) {
    auto& begun = begun_[static_cast<size_t>(i)].stages;
    auto before = begun.load(std::memory_order_relaxed);
    if (before != stage || !begun.compare_exchange_strong(before, stage + 1, std::memory_order_acq_rel)) return;
    body_(stage, i);
    done_.fetch_add(1, std::memory_order_acq_rel);
  }

  const int64_t stages_;
  std::vector<Begun> begun_;
  const StageBody body_;
  alignas(64) std::atomic<int64_t> done_{0};  // parts of all stages
};

}  // namespace steppe::kernel_threads
