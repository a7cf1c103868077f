#pragma once
#include <memory>

#include "program.h"

namespace steppe {

// What a run below autograd reads of a program for most of its instructions, close to each other in memory; for views, lists and turns it looks at the
// recorded one. A small net's step waits for this memory as long as it computes, since between two steps it has left the nearest caches.
class Replay {
 public:
  // The program is complete, and stays where it is.
  explicit Replay(const Program& program);
  // `expected`: see Program::check_layouts.
  void run(Tensors& registers, bool with_backward, const Program::Slots& slots, const std::atomic<bool>& cancelled,
           const std::vector<Program::Layout>* expected = nullptr) const;

 private:
  // An operand is a word: what it is in the lowest two bits, and which one above them.
  enum class Source : uint8_t { copied, moved, constant, other };  // a register that is read again, one that is not, constants_, anything else
  struct Instruction {
    void (*kernel)(const c10::OperatorHandle&, torch::jit::Stack&);
    const Program::Instruction* recorded;
    uint32_t first_word;  // of operands, results (a register each, or kNone) and registers to let go of, one after the other
    uint16_t operands, results, ends;
    bool is_view, has_lists, may_reuse, grad_mode, backward, draws, takes_turns;
  };
  void add(const Program::Instruction& instruction);
  void compute(const Instruction& instruction, Tensors& registers, torch::jit::Stack& stack, const Program::Slots& slots) const;

  std::vector<Instruction> instructions_;
  std::vector<int32_t> words_;
  std::vector<c10::IValue> constants_;
  size_t most_operands_ = 0;
};

// An operand's value, and where an operator's result goes.
c10::IValue value_of(const Program::Operand& operand, const Tensors& registers);
void put(const Program::Output& output, c10::IValue& value, Tensors& registers);

}  // namespace steppe
