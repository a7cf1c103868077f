#pragma once
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "turn_order.h"

namespace steppe {

class Replay;
class SharedNoise;

using Tensors = std::vector<at::Tensor>;

// A recorded step of computation: the loss function's forward and backward as a flat list of operators over numbered
// registers. The first registers are the slots: parameters, buffers, inputs, and the seed of the backward. A program is a
// pure function of its slots, but for the buffers that it changes: it can be run at other parameters than the model's, and
// on several threads at once. It is never changed after recording.
class Program {
 public:
  struct Operand {
    enum class Kind : uint8_t { constant, reg, list, optional_list };
    Kind kind = Kind::constant;
    int32_t reg = -1;
    c10::IValue constant;
    std::vector<int32_t> regs;      // of a list; -1 - i stands for held[i], and kNone for no tensor
    std::vector<at::Tensor> held;   // constant tensors inside a list
  };
  struct Output {
    bool list = false;
    std::vector<int32_t> regs;  // kNone: nobody uses it
  };
  // A result that only looks at a register's memory in another way: made without asking LibTorch.
  struct View {
    int32_t base, reg;
    std::vector<int64_t> sizes, strides;
    int64_t offset;  // in elements, from the base's first one
  };
  // The operator's form that writes its result into an operand that is read for the last time. A kernel of our own may want it for itself; whether it
  // is the last time is known once the program has all its instructions (reuse_operands).
  struct Reuse {
    c10::OperatorHandle op;
    uint32_t operand;
    bool in_place;  // the operand is changed; else it comes once more, as `out`
  };
  struct Instruction {
    explicit Instruction(c10::OperatorHandle op) : op(std::move(op)) {}
    c10::OperatorHandle op;
    std::vector<Operand> inputs;
    std::vector<Output> outputs;
    std::vector<View> views;         // if there are any, they are all that the operator does
    std::optional<Reuse> reuse;
    // Takes LibTorch's place. Where nothing keeps the backward from being recorded it may want other operands than the operator, which then never runs.
    void (*kernel)(const c10::OperatorHandle&, torch::jit::Stack&) = nullptr;
    bool takes_turn = false;         // the kernel does, by itself, for a batch norm's running statistics
    std::vector<int32_t> last_uses;  // registers that nobody reads afterwards
    int32_t turn = -1;               // its number among those that draw, or touch a buffer that the program changes
    uint32_t turns_before = 0;       // turns that a run before this one must have done first
    bool grad_mode = false;          // as it was when recorded: some kernels look at it
    bool backward = false;
    bool draws = false;  // uses random numbers
  };
  static constexpr int32_t kNone = INT32_MIN;

  // How a tensor lies in memory. What comes later in the program relies on a slot's.
  struct Layout {
    std::vector<int64_t> sizes, strides;
    bool strided = true;  // its elements stand in memory as they are, neither negated nor conjugated
    at::ScalarType dtype = at::ScalarType::Undefined;
    static Layout of(const at::Tensor& x) {
      const bool strided = x.layout() == at::kStrided;
      return {x.sizes().vec(), strided ? x.strides().vec() : std::vector<int64_t>(), strided, x.scalar_type()};
    }
    bool is_that_of(const at::Tensor& x) const { return strided && x.strides().equals(strides) && x.scalar_type() == dtype; }
  };

  // What stands in the slots. The parameters need not be the recorded ones: same shapes, dtypes, devices. Buffers that the
  // program changes are changed in place in the tensors given.
  struct Slots {
    Tensors parameters;  // where nobody else holds one, its memory is free, for its gradient, as soon as it has been read for the last time
    const Tensors& buffers;
    const Tensors& inputs;
    at::Tensor seed{};  // dL/dL, of the loss's shape and dtype; undefined: 1. A loss scale comes in here.
    OrderedRun turns{};  // where other runs move the same buffers at the same time
    SharedNoise* noise = nullptr;  // where they draw random numbers
  };
  // Gradients and extras may share memory with each other and with the slots.
  struct Outcome {
    at::Tensor loss;
    Tensors gradients;  // one per parameter; undefined where the loss does not depend on it
    Tensors extras;     // the other results that were asked for at recording
  };

  // Once, when no pass changes the instructions any more: makes what `run` goes by.
  void complete();
  // Runs forward and backward. Throws Code::closed when `cancelled` turns true.
  Outcome run(Slots slots, const std::atomic<bool>& cancelled) const;
  // Runs the forward alone: no gradients.
  Outcome forward(Slots slots, const std::atomic<bool>& cancelled) const;

  // Runs it for nothing but its registers' places in memory. Throws Code::record if an operator gives another than expected.
  void check_layouts(Slots slots, const std::vector<Layout>& expected, const std::atomic<bool>& cancelled) const;

  // The seed's register comes after the other slots'.
  int32_t seed_register() const { return static_cast<int32_t>(parameter_count + buffer_count + input_count); }

  size_t parameter_count = 0, buffer_count = 0, input_count = 0, register_count = 0;
  std::vector<Layout> layouts;  // of the slots, without the seed
  std::vector<Instruction> instructions;
  int32_t loss_register = kNone;
  std::vector<int32_t> extra_registers;
  std::vector<int64_t> loss_shape;
  at::TensorOptions loss_options;
  std::vector<int32_t> gradient_registers;  // one per parameter
  std::vector<uint8_t> requires_grad;       // one per parameter, as recorded
  std::vector<uint32_t> changed_buffers;    // indices of buffers that the forward pass writes to
  std::vector<std::vector<uint32_t>> turns;  // of each instruction that draws, or touches them, which of them it touches; see place_turns
  std::vector<uint32_t> changed_inputs;     // indices of inputs that it writes to: the program works on copies of them
  bool draws = false;                       // one of its instructions does
  bool draws_elsewhere = false;             // one of them not from the CPU's generator alone
  std::string backward_obstacle;            // why the backward could not be recorded; empty if it was

 private:
  // The registers, with the slots' tensors; the parameters are moved there.
  Tensors fill(const Slots& slots, Tensors& parameters) const;
  Tensors extras(const Tensors& registers) const;
  void replay_under_autograd(Tensors& registers, const std::atomic<bool>& cancelled) const;
  std::shared_ptr<const Replay> replay_;
};

}  // namespace steppe
