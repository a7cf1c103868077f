#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "program.h"

namespace steppe {

// What is done to a freshly recorded program before it is first run.

// An operator that must run even if nobody reads its results.
bool has_side_effects(const c10::OperatorHandle& op);
// Whether it uses random numbers.
bool draws_numbers(const c10::OperatorHandle& op);
// The arguments that an operator writes to.
std::vector<size_t> written_arguments(const c10::OperatorHandle& op);
// The registers that an instruction reads, some more than once.
std::vector<int32_t> input_registers(const Program::Instruction& instruction);
// By register: the instructions that read it, each as often as it does, and behind them kNobody where it is a result.
std::vector<std::vector<size_t>> users_of_registers(const Program& program);
constexpr size_t kNobody = SIZE_MAX;  // no instruction

// Drops operators whose results nobody reads and that change nothing.
void drop_dead_code(Program& program);
// A view of a view becomes one of what that looks at. The one between is gone where nobody else reads it.
void look_through_views(Program& program);
// A parameter that is read only through a copy in another order is expected in that order, and the copy is gone: whoever has the
// parameter so already, for all passes of a step, saves it; `Program` makes it otherwise. `layouts`: by register.
void expect_parameters_in_order(Program& program, const std::vector<Program::Layout>& layouts);
// Each register but results, buffers and inputs ends with the instruction that reads it last.
void place_last_uses(Program& program);
// Elementwise operators write over an operand that nobody needs any more. `alike`: two registers hold tensors of the same
// shape, dtype and layout.
void reuse_operands(Program& program, const std::function<bool(int32_t, int32_t)>& alike);
// Numbers the instructions that draw random numbers on the CPU or touch a changed buffer, also through a view; see TurnOrder. `buffer_of`: by register.
void place_turns(Program& program, const std::vector<std::optional<uint32_t>>& buffer_of);

}  // namespace steppe
