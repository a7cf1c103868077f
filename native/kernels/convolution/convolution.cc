#include "convolution.h"

#include <ATen/ops/sum.h>

#include <array>
#include <utility>

#include "../../kernel_threads.h"
#include "../results.h"
#include "../transposition.h"
#include "convolution_ways.h"

namespace steppe {
namespace {

using convolution_ways::choose, convolution_ways::Way;

std::array<int64_t, 2> pair_of(const c10::IValue& value) {
  const auto list = value.toIntList();
  return {list.get(0), list.get(list.size() - 1)};
}

Convolution convolution_of(const at::Tensor& x, const at::Tensor& w, c10::IntArrayRef y, const c10::IValue* geometry) {
  return {Image::of(x.sizes()), Image::of(w.sizes()), Image::of(y), pair_of(geometry[0]), pair_of(geometry[1]), pair_of(geometry[2])};
}

int64_t length_of(int64_t x, int64_t w, int64_t stride, int64_t padding, int64_t dilation) { return (x + 2 * padding - dilation * (w - 1) - 1) / stride + 1; }

constexpr size_t kConvolutionArguments = 9, kConvolutionBackwardArguments = 11;

// aten::convolution(input, weight, bias?, stride, padding, dilation, …) -> output
void convolve(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto* arguments = stack.data() + stack.size() - kConvolutionArguments;
  const auto &x = arguments[0].toTensor(), &w = arguments[1].toTensor();
  const auto bias = arguments[2].isNone() ? at::Tensor() : arguments[2].toTensor().contiguous();
  const auto stride = pair_of(arguments[3]), padding = pair_of(arguments[4]), dilation = pair_of(arguments[5]);
  const std::array<int64_t, 4> sizes = {x.size(0), w.size(0), length_of(x.size(2), w.size(2), stride[0], padding[0], dilation[0]),
                                        length_of(x.size(3), w.size(3), stride[1], padding[1], dilation[1])};
  const auto c = convolution_of(x, w, sizes, arguments + 3);
  give(stack, kConvolutionArguments, convolution_ways::output(choose(c).forward, c, x, w, bias));
}

// aten::convolution_backward(dL/doutput, input, weight, bias sizes?, stride, padding, dilation, transposed, output padding, groups, mask)
//   -> (dL/dinput, dL/dweight, dL/dbias)
void convolve_backward(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto* arguments = stack.data() + stack.size() - kConvolutionBackwardArguments;
  const auto &x = arguments[1].toTensor(), &w = arguments[2].toTensor();
  const auto dy = with_channels_last(arguments[0].toTensor());
  const auto c = convolution_of(x, w, dy->sizes(), arguments + 4);
  const auto wanted = arguments[10].toBoolList();
  const auto choice = choose(c);
  std::array<at::Tensor, 3> results;
  const bool by_libtorch[] = {wanted[0] && choice.input == Way::libtorch, wanted[1] && choice.weight == Way::libtorch};
  if (by_libtorch[0] || by_libtorch[1]) {
    torch::jit::Stack rest(arguments, arguments + kConvolutionBackwardArguments);
    rest.back() = c10::List<bool>({by_libtorch[0], by_libtorch[1], false});
    HeldKernelThreads::let_go();
    op.callBoxed(rest);
    for (size_t i = 0; i < 2; i++)
      if (by_libtorch[i]) results[i] = rest[i].toTensor();
  }
  if (wanted[0] && !by_libtorch[0]) results[0] = convolution_ways::input_gradient(choice.input, c, *dy, w);
  if (wanted[1] && !by_libtorch[1]) results[1] = convolution_ways::weight_gradient(choice.weight, c, *dy, x);
  if (wanted[2]) {
    HeldKernelThreads::let_go();
    results[2] = dy->sum({0, 2, 3});
  }
  give(stack, kConvolutionBackwardArguments, std::move(results[0]), std::move(results[1]), std::move(results[2]));
}

// The convolution that an instruction computes, if it is one that this file is for; `first` is the place of its input among the
// operands, `y` the register of its output or of that one's gradient.
std::optional<Convolution> convolution_at(const Program::Instruction& instruction, size_t first, int32_t y, const Layouts& layouts) {
  const auto x = register_of(instruction.inputs[first]), w = register_of(instruction.inputs[first + 1]);
  if (x < 0 || w < 0 || y < 0) return std::nullopt;
  if (!is_channels_last_image(layouts[x]) || !is_channels_last_image(layouts[w]) || !is_float_image(layouts[y])) return std::nullopt;
  for (const auto& output : instruction.outputs)
    for (const auto result : output.regs)
      if (result >= 0 && layouts[result].sizes.size() == 4 && !is_new_channels_last_image(layouts[result])) return std::nullopt;
  const auto geometry = first + 3;  // stride, padding, dilation, transposed, output padding, groups
  for (size_t i = 0; i < 6; i++)
    if (instruction.inputs[geometry + i].kind != Program::Operand::Kind::constant) return std::nullopt;
  const auto constant = [&](size_t i) -> const c10::IValue& { return instruction.inputs[geometry + i].constant; };
  if (constant(3).toBool() || constant(5).toInt() != 1) return std::nullopt;
  return Convolution{Image::of(layouts[x].sizes), Image::of(layouts[w].sizes), Image::of(layouts[y].sizes), pair_of(constant(0)), pair_of(constant(1)), pair_of(constant(2))};
}

}  // namespace

void replace_convolutions(Program& program, const Layouts& layouts) {
  for (auto& instruction : program.instructions) {
    const auto name = c10::toString(instruction.op.operator_name());
    if (name == "aten::convolution" && instruction.inputs.size() == kConvolutionArguments) {
      const auto c = convolution_at(instruction, 0, instruction.outputs[0].regs[0], layouts);
      if (c.has_value() && choose(*c).forward != Way::libtorch) instruction.kernel = convolve;
    } else if (name == "aten::convolution_backward" && instruction.inputs.size() == kConvolutionBackwardArguments) {
      const auto c = convolution_at(instruction, 1, register_of(instruction.inputs[0]), layouts);
      if (!c.has_value()) continue;
      const auto [_, weight, input] = choose(*c);
      if (weight != Way::libtorch || input != Way::libtorch) instruction.kernel = convolve_backward;
    }
  }
}

}  // namespace steppe
