#pragma once
#include <ATen/core/ivalue.h>

#include <vector>

namespace steppe {

// A pass that is only to be written down need not be computed: while a ShapesOnly lives, the operators of this thread
// that LibTorch has shape functions for, and some heavy ones that it has none for, give tensors of the right shape, dtype
// and order in memory, with nothing in them (zeros if they are integers or truth values, which may become indices).
// Operators that care about memory (views, in place, `out`) run as ever. CPU only.
//
// An order in memory that a kernel chooses otherwise shows when the program runs for the first time: see
// Program::check_layouts.
class ShapesOnly {
 public:
  // For operators whose operands have at least so many elements: below, a kernel is quicker than its shape function.
  explicit ShapesOnly(int64_t at_least);
  ~ShapesOnly();
  ShapesOnly(const ShapesOnly&) = delete;

  // While one lives, this thread computes after all: data that JavaScript brings.
  class Suspend {
   public:
    Suspend();
    ~Suspend();
    Suspend(const Suspend&) = delete;

   private:
    bool included_;
  };

  // Whether this LibTorch has the dispatch key that it takes, and nobody else has it: another copy of the package, say.
  static bool available();
};

}  // namespace steppe
