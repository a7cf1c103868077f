#pragma once
#include <cstdint>

namespace steppe {

enum class Access { read, write };

// Brings rows of memory that are wanted next into the second cache, a share at a time between other work: of short rows far from each other
// a processor foresees none, and of many at once it takes only as many as it has buffers for. `step` from one row to the next, in floats.
template <Access kAccess>
class Prefetch {
 public:
  Prefetch() = default;  // of nothing
  Prefetch(const float* from, int64_t rows, int64_t floats, int64_t step, int64_t shares) : from_(from), rows_(rows), floats_(floats), step_(step), shares_(shares) {}

  void next_share() {
    constexpr int64_t kLine = 64 / sizeof(float);
    share_++;
    for (const auto end = rows_ * share_ / shares_; row_ < end; row_++)
      for (int64_t i = 0; i < floats_; i += kLine) __builtin_prefetch(from_ + row_ * step_ + i, kAccess == Access::write, /*locality=*/2);
  }

 private:
  const float* from_ = nullptr;
  int64_t rows_ = 0, floats_ = 0, step_ = 0, shares_ = 1, share_ = 0, row_ = 0;
};

}  // namespace steppe
