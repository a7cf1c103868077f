#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <initializer_list>
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
  Part part(int64_t i, int64_t count) const;
  // The first of thread i's share of the units, and how many: whole registers where the loops are ours.
  std::pair<int64_t, int64_t> units_of(int64_t i, int64_t count) const;

 private:
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

// What thread i of a team does of it. Made on that thread, which fills its part of the panels.
class Share {
 public:
  Share(const Sharing& sharing, std::initializer_list<const Panels*> panels, Team& team, int64_t i);
  const Part& part() const { return part_; }
  // Before what others computed is read.
  void wait() const {
    if (sharing_.by_units()) team_.wait();
  }
  // y ← x W or y + x W, for the thread's samples and units; x and y of all, in one time step.
  void multiply(const Panels& panels, const float* x, float* y, bool adds) const;
  // y ← x W in all time steps, of as many samples each. Not in place.
  void multiply_all(const Panels& panels, int64_t steps, int64_t samples, const float* x, float* y) const;

 private:
  void multiply_own(const Panels& panels, const Rows& rows, const float* x, float* y, bool adds) const;

  const Sharing& sharing_;
  Team& team_;
  const Part part_;
};

}  // namespace steppe::recurrence
