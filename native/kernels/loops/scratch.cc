#include "scratch.h"

#include <c10/core/impl/alloc_cpu.h>

#include "../../step_tensors.h"

namespace steppe {
namespace {

constexpr int64_t kMostKept = 1 << 20;  // floats

class Scratch {
 public:
  ~Scratch() { c10::free_cpu(memory_); }
  float* of(int64_t floats) {
    if (floats <= size_) return memory_;
    c10::free_cpu(memory_);
    memory_ = nullptr;
    size_ = 0;
    memory_ = static_cast<float*>(c10::alloc_cpu(static_cast<size_t>(floats) * sizeof(float)));
    size_ = floats;
    return memory_;
  }

 private:
  float* memory_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace

float* own_scratch(int64_t floats) {
  static thread_local Scratch scratch;
  return scratch.of(floats);
}

float* shared_scratch(int64_t floats) {
  static thread_local Scratch scratch;
  return scratch.of(floats);
}

CallMemory::CallMemory(int64_t floats) {
  if (floats > kMostKept) {
    large_ = new_tensor({floats});
    next_ = large_.mutable_data_ptr<float>();
  } else if (floats > 0) {
    next_ = shared_scratch(floats);
  }
}

PartMemory::PartMemory(int64_t floats) {
  if (floats > kMostKept) {
    large_ = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(floats));
    data_ = large_.get();
  } else if (floats > 0) {
    data_ = own_scratch(floats);
  }
}

}  // namespace steppe
