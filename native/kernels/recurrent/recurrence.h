#pragma once
#include <ATen/core/Tensor.h>
#include <c10/util/FunctionRef.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "../../kernel_threads.h"
#include "../loops/row_product.h"

// The products of a recurrent layer with four gates, time step by time step, and how threads share them. Where the loops are ours results do not depend
// on the number of threads.
namespace steppe::recurrence {

// A thread's part.
struct Part {
  int64_t index, sample, samples, unit, units;
};

// Work of each part that need not be done at once, in pieces one after the other. Where threads share the units they wait for each other at each
// time step, now one and now the other; with this they have something to do meanwhile.
class Pieces {
 public:
  // do_piece(part, k) does the k-th.
  using Piece = c10::function_ref<void(const Part& part, int64_t k)>;
  Pieces(int64_t parts, Piece do_piece) : done_(static_cast<size_t>(parts)), do_piece_(do_piece) {}
  // One of the first `available`, if any is left.
  bool do_next(const Part& part, int64_t available) {
    auto& done = done_[static_cast<size_t>(part.index)].pieces;
    if (done >= available) return false;
    do_piece_(part, done++);
    return true;
  }
  void do_first(const Part& part, int64_t count) {
    while (do_next(part, count)) {}
  }

 private:
  struct alignas(64) Done {
    int64_t pieces = 0;
  };
  std::vector<Done> done_;
  Piece do_piece_;
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
  // The first of share i of so many columns, and how many: whole registers.
  std::pair<int64_t, int64_t> columns_of(int64_t i, int64_t columns) const;
  // Of the units.
  std::pair<int64_t, int64_t> units_of(int64_t i) const { return columns_of(i, hidden_); }
  // Calls prepare(i) for each share i, of units, and round(part, k) for each part in so many rounds k. Where threads share the units, a round sees what was
  // prepared for its own share, and what all parts did in the rounds before; else all that was prepared, and its part's own rounds. Between a part's
  // round k and the next, while it waits for others, idle(part, k), if there is one, does something of the part's own as long as there is anything.
  using Idle = c10::function_ref<bool(const Part& part, int64_t k)>;
  template <class Prepare, class Round>
  void over_time(int64_t rounds, const Prepare& prepare, const Round& round, Idle idle) const {
    if (by_units_) {
      const auto body = [&](int64_t k, int64_t i) {
        if (k == 0) prepare(i);
        round(part(i), k);
      };
      const auto own_idle = [&](int64_t k, int64_t i) { return idle(part(i), k); };
      if (idle) return on_kernel_stages(rounds, threads_, body, own_idle);
      on_kernel_stages(rounds, threads_, body);
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

// The units of a layer in blocks: as many as a register has numbers, the last block takes along what would be less; one block of all where LibTorch
// multiplies. What a thread writes in a time step lies together by blocks, so that no other thread's processor asks for its lines ahead.
struct UnitBlocks {
  UnitBlocks(const Sharing& sharing, int64_t hidden);
  const int64_t hidden, size;
  int64_t count() const { return std::max<int64_t>(1, hidden / size); }
  int64_t begin(int64_t block) const { return size * block; }
  int64_t width(int64_t block) const { return block + 1 < count() ? size : hidden - begin(block); }
  // Those of some units, whole registers of them: the first, and behind the last.
  std::pair<int64_t, int64_t> of(int64_t unit, int64_t units) const { return {unit / size, unit + units == hidden ? count() : (unit + units) / size}; }
};

// Rows, and how many elements each stands behind the one before.
template <class T>
using Rows = row_product::Rows<T>;

// Of a layer's forward: what inputs or states are multiplied with, the transpose of W [4 hidden, in] or of U [4 hidden, hidden]. In panels, one for
// each block of units, with the columns of its four gates beside each other.
class GatePanels {
 public:
  // `memory`: of as many elements as w has; null where LibTorch multiplies, or nobody does.
  GatePanels(const at::Tensor& w, const UnitBlocks& blocks, float* memory) : w_(w), blocks_(blocks), panels_(memory) {}
  // Whether inputs are worth being multiplied in panels, by each thread its own; else they are one product for all.
  static bool suit(const at::Tensor& w);
  void fill(const Sharing& sharing, int64_t i) const;
  // y ← x Wᵀ or y + x Wᵀ for the gates of a block.
  void multiply(int64_t rows, Rows<const float> x, int64_t block, Rows<float> y, bool adds) const;

 private:
  const at::Tensor w_;
  const UnitBlocks blocks_;
  float* const panels_;
};

// Of its backward: what the gates' gradients are multiplied with, U [4 hidden, hidden]. In panels of 64 columns of a share's units, the last of up
// to 79, that stand in memory one after the other; a small U is read where it lies.
class StatePanels {
 public:
  // `memory`: of so many elements; null: there is none.
  StatePanels(const at::Tensor& u, const Sharing& sharing, float* memory) : u_(u), sharing_(sharing), panels_(memory) {}
  static int64_t floats(const at::Tensor& u, const Sharing& sharing);
  void fill(int64_t i) const;
  // y ← x U for a part's samples and units: x [samples, 4 hidden] of all samples, y [the part's samples, its units].
  void multiply(const Part& part, const float* x, float* y) const;

 private:
  void multiply(const Part& part, int64_t unit, int64_t units, Rows<const float> x, float* y) const;
  const at::Tensor u_;
  const Sharing& sharing_;
  float* const panels_;
};

// What each thread is about to read of x, which others have just written: all at once, not as it is read.
void fetch(const Sharing& sharing, const Part& part, int64_t floats, const float* x);

}  // namespace steppe::recurrence
