#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <utility>

namespace steppe {

// Memory for a kernel's intermediate results that this thread keeps from call to call, and finds in its own caches: what comes out of a
// step's memory was written by any thread. A few megabytes: more belongs into the step's. Of so many floats, at a multiple of 64 bytes, until
// the thread asks again.
float* own_scratch(int64_t floats);
// The same, for what a kernel's threads share: asked for by the thread that begins the work.
float* shared_scratch(int64_t floats);

// What the threads of one call share, be it little or much: the scratch of the thread that begins the work, or the step's memory.
class CallMemory {
 public:
  explicit CallMemory(int64_t floats);
  // null: of nothing.
  float* take(int64_t floats) { return floats == 0 ? nullptr : std::exchange(next_, next_ + floats); }

 private:
  at::Tensor large_;
  float* next_ = nullptr;
};

// What a part of a call has for itself: its thread's own scratch, or memory that goes with it where that is much. Not the step's, which belongs to the
// thread that began the work.
class PartMemory {
 public:
  explicit PartMemory(int64_t floats);
  float* data() { return data_; }  // null: of nothing

 private:
  std::unique_ptr<float[]> large_;
  float* data_ = nullptr;
};

}  // namespace steppe
