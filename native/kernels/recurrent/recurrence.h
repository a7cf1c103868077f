#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>

#include "../../kernel_threads.h"

// The products of a recurrent layer with four gates, time step by time step, and how threads share them. Results do not depend on the number
// of threads.
namespace steppe::recurrence {

// A thread's part.
struct Part {
  int64_t sample, samples, unit, units;
};

// How threads share a recurrence over all time steps, and who multiplies: loops of ours or LibTorch, which is as fast where the matrix is very
// large, and faster where there is too little to multiply.
class Sharing {
 public:
  Sharing(int64_t samples, int64_t hidden, int64_t steps);
  bool ours() const { return ours_; }
  int64_t threads() const { return threads_; }
  // Of too few samples a thread would have little to do with a matrix that it reads at each time step, and a large matrix stays in the caches
  // of several: then each has units, for which it needs those of all from the time step before.
  bool by_units() const { return by_units_; }
  // The first of share i of the units, and how many: whole registers where the loops are ours.
  std::pair<int64_t, int64_t> units_of(int64_t i) const;
  // Calls prepare(i) for each share i, of units, and round(part, k) for each part in so many rounds k. All that was prepared, and what all parts
  // did in the rounds before, can be seen where threads share the units; else each part's own rounds.
  template <class Prepare, class Round>
  void over_time(int64_t rounds, const Prepare& prepare, const Round& round) const {
    if (by_units_) {
      on_kernel_stages(rounds, threads_, [&](int64_t k, int64_t i) {
        if (k == 0) prepare(i);
        round(part(i), k);
      });
    } else {
      on_kernel_stages(2, threads_, [&](int64_t stage, int64_t i) {
        if (stage == 0) return prepare(i);
        for (int64_t k = 0; k < rounds; k++) round(part(i), k);
      });
    }
  }

 private:
  Part part(int64_t i) const;
  const int64_t samples_, hidden_;
  bool ours_ = false, by_units_ = false;
  int64_t threads_ = 1;
};

// Rows of as many time steps, each a number of elements behind the one before.
struct Rows {
  int64_t count, steps = 1, x_step = 0, y_step = 0;
};

// What rows are multiplied with: U [4 hidden, hidden], or the transpose of it or of W [4 hidden, in], whose columns are four gates'. In panels
// of 64 columns, the last of up to 79, that stand in memory one after the other; a small U is read where it lies.
class Panels {
 public:
  // `memory`: of as many elements; null: there is none, and it is read in place.
  Panels(const at::Tensor& w, bool transposed, float* memory);
  // How much memory U, not transposed, wants.
  static int64_t floats(const at::Tensor& u);
  bool in_place() const { return panels_ == nullptr; }
  // [in, out]
  const at::Tensor& matrix() const { return matrix_; }
  // The panels of some units.
  void fill(int64_t unit, int64_t units) const;
  // y ← x U or y + x U, in the columns of the units that one call of fill was for.
  void multiply(const Rows& rows, const float* x, float* y, bool adds, int64_t unit, int64_t units) const;
  // Whether all inputs of a layer are worth being multiplied in panels, each thread's own.
  static bool suit(const at::Tensor& w);

 private:
  template <class Panel>
  void each(int64_t unit, int64_t units, const Panel& panel) const;

  const at::Tensor matrix_;
  const int64_t in_, gates_, hidden_;
  const float* w_;
  float* const panels_;
};

// The panels of share i.
void fill(const Sharing& sharing, const Panels& panels, int64_t i);
// y ← x W or y + x W, for a part's samples and units; x and y of all, in one time step.
void multiply(const Sharing& sharing, const Part& part, const Panels& panels, const float* x, float* y, bool adds);
// y ← x W in all time steps, of as many samples each. Not in place.
void multiply_all(const Sharing& sharing, const Part& part, const Panels& panels, int64_t steps, int64_t samples, const float* x, float* y);

}  // namespace steppe::recurrence
