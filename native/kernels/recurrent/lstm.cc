#include "lstm.h"

#include "lstm_layer.h"

namespace steppe {
namespace {

constexpr int64_t kLstm = 2;  // LibTorch's number of the mode

// An LSTM's, and no packed sequence: all that this is for. Each call is one layer in one direction, however many there are.
bool is_layer(const Program::Instruction& instruction) {
  const auto& arguments = instruction.op.schema().arguments();
  const auto constant = [&](const char* name) -> const c10::IValue& {
    static const c10::IValue none;
    for (size_t i = 0; i < arguments.size(); i++)
      if (arguments[i].name() == name && instruction.inputs[i].kind == Program::Operand::Kind::constant) return instruction.inputs[i].constant;
    return none;
  };
  const auto &mode = constant("mode"), &sizes = constant("batch_sizes");
  return mode.isInt() && mode.toInt() == kLstm && sizes.isIntList() && sizes.toIntVector().empty();
}

}  // namespace

void replace_lstm_layers(Program& program) {
  for (auto& instruction : program.instructions) {
    const auto& name = instruction.op.schema().name();
    const auto& overload = instruction.op.schema().overload_name();
    const auto count = instruction.op.schema().arguments().size();
    if (!overload.empty() || !is_layer(instruction)) continue;
    if (name == "aten::mkldnn_rnn_layer" && count == 16) instruction.kernel = lstm::forward;
    if (name == "aten::mkldnn_rnn_layer_backward" && count == 23) instruction.kernel = lstm::backward;
  }
}

}  // namespace steppe
