#pragma once
#include <cstddef>

namespace steppe {

// Memory of the tensors that a recording or a replay makes on the CPU.
//
// Every step allocates and frees the same blocks. The C library hands large ones back to the system each time, which
// zeroes their pages anew when they are touched again: with a small convnet a tenth of a step. While a StepMemory lives,
// the tensors that its thread makes lie in an arena of this process that keeps its memory from step to step: it grows to
// what the largest step needed. Tensors may outlive the guard, and be freed on any thread.
class StepMemory {
 public:
  StepMemory();  // in the arena of the guard around it; the first one where there is none
  // Threads that work at the same time have an arena each, since to write what another one wrote is slow. Numbers, from 0 up, name them.
  explicit StepMemory(size_t arena);
  ~StepMemory();
  StepMemory(const StepMemory&) = delete;

  // Gives memory that no tensor uses back to the system.
  static void release();

  struct Figures {
    size_t used, most_used;  // bytes: of blocks in use, and at most since `release`, of each arena
  };
  static Figures figures();

  // Puts the arenas before LibTorch's CPU allocator, once per process. Elsewhere than under a guard nothing changes.
  static void install();

 private:
  const size_t before_;
};

}  // namespace steppe
