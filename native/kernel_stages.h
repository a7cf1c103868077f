#pragma once
#include <c10/util/FunctionRef.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "kernel_crew.h"

namespace steppe::kernel_threads {

// Stages one after the other, each of as many parts.
class Stages {
 public:
  using StageBody = c10::function_ref<void(int64_t stage, int64_t part)>;
  using Idle = c10::function_ref<bool(int64_t stage, int64_t part)>;
  Stages(int64_t stages, int64_t parts, StageBody body, Idle idle) : stages_(stages), parts_(static_cast<size_t>(parts)), body_(body), idle_(idle) {}

  // What a thread does: of each stage the part that is its own, and what is not done while nobody is at it.
  void take_part(int64_t own) {
    const auto parts = static_cast<int64_t>(parts_.size());
    for (;;) {
      const auto stage = done_.load(std::memory_order_acquire) / parts;
      if (stage == stages_) return;
      do_part(stage, own);
      const auto is_over = [&] { return done_.load(std::memory_order_acquire) >= (stage + 1) * parts; };
      int looks = 0;
      bool may_idle = static_cast<bool>(idle_);
      watch([&] {
        if (is_over()) return true;
        if (may_idle) {
          const auto did = do_idle(stage, own);
          if (did.has_value()) may_idle = *did;
          if (may_idle && did.has_value()) return is_over();
        }
        if (++looks % kPatience == 0) {  // again and again: the one whose part it is may be about to do it, or have something else of it
          for (int64_t i = 0; i < parts; i++) do_part(stage, i);
        }
        return is_over();
      });
    }
  }

 private:
  // Whoever has it works on it, and nobody else.
  struct alignas(64) Part {
    std::atomic<bool> taken{false};
    std::atomic<int64_t> stages{0};  // so many are done
    bool take() { return !taken.load(std::memory_order_relaxed) && !taken.exchange(true, std::memory_order_acquire); }
    void leave() { taken.store(false, std::memory_order_release); }
  };
  // If it is not done, and nobody is at it.
  void do_part(int64_t stage, int64_t i) {
    auto& part = parts_[static_cast<size_t>(i)];
    if (part.stages.load(std::memory_order_relaxed) != stage || !part.take()) return;
    if (part.stages.load(std::memory_order_relaxed) == stage) {
      body_(stage, i);
      part.stages.store(stage + 1, std::memory_order_relaxed);
      done_.fetch_add(1, std::memory_order_acq_rel);
    }
    part.leave();
  }
  // Whether there may be more to do before the stage is over: asked until the answer is no, since the part is kept from others meanwhile. None while
  // somebody else is at the part.
  std::optional<bool> do_idle(int64_t stage, int64_t i) {
    auto& part = parts_[static_cast<size_t>(i)];
    if (!part.take()) return std::nullopt;
    const bool did = part.stages.load(std::memory_order_relaxed) > stage && idle_(stage, i);
    part.leave();
    return did;
  }

  const int64_t stages_;
  std::vector<Part> parts_;
  const StageBody body_;
  const Idle idle_;
  alignas(64) std::atomic<int64_t> done_{0};  // parts of all stages
};

}  // namespace steppe::kernel_threads
