#include "convolution.h"

#include <ATen/ops/sum.h>

#include <array>
#include <cstring>
#include <vector>

#include "convolution_products.h"
#include "direct_convolution.h"
#include "processors.h"
#include "winograd.h"

namespace steppe {
namespace {

std::array<int64_t, 2> pair_of(const c10::IValue& value) {
  const auto list = value.toIntVector();
  return {list.front(), list.back()};
}

Convolution convolution_of(const at::Tensor& x, const at::Tensor& w, c10::IntArrayRef y, const c10::IValue* geometry) {
  return {Image::of(x.sizes()), Image::of(w.sizes()), Image::of(y), pair_of(geometry[0]), pair_of(geometry[1]), pair_of(geometry[2])};
}

int64_t length_of(int64_t x, int64_t w, int64_t stride, int64_t padding, int64_t dilation) { return (x + 2 * padding - dilation * (w - 1) - 1) / stride + 1; }

constexpr size_t kConvolutionArguments = 9, kConvolutionBackwardArguments = 11;

// --- Directly ---

constexpr int64_t kFewChannels = 4;
constexpr int64_t kSmallWeight = 1024;       // channels × channels out
constexpr int64_t kLittleWork = 32'000'000;  // products: LibTorch's way to a kernel takes as long as the kernel

direct_convolution::Shape shape_of(const Convolution& c) {
  return {c.x.n, c.x.height, c.x.width, c.x.channels, c.w.n, c.w.height, c.w.width, c.padding[0], c.padding[1]};
}

// dL/dx is dL/dy convolved with the weight turned by 180°, channels in and out exchanged.
direct_convolution::Shape shape_of_input_gradient(const Convolution& c) {
  return {c.y.n, c.y.height, c.y.width, c.w.n, c.w.channels, c.w.height, c.w.width, c.w.height - 1 - c.padding[0], c.w.width - 1 - c.padding[1]};
}

// By hand, as below: LibTorch's way to a copy takes as long as a small convolution.
void transpose(const float* from, int64_t rows, int64_t columns, float* to) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) to[j * rows + i] = from[i * columns + j];
}

// [out, height, width, channels] as [height, width, out, channels], each window from its end.
std::vector<float> turned(const Image& w, const float* from) {
  std::vector<float> to(static_cast<size_t>(w.n * w.pixels() * w.channels));
  for (int64_t o = 0; o < w.n; o++)
    for (int64_t at = 0; at < w.pixels(); at++)
      std::memcpy(to.data() + ((w.pixels() - 1 - at) * w.n + o) * w.channels, from + (o * w.pixels() + at) * w.channels, static_cast<size_t>(w.channels) * sizeof(float));
  return to;
}

at::Tensor output_directly(const Convolution& c, const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias) {
  auto y = empty_image(c.y, x);
  std::vector<float> matrix(static_cast<size_t>(c.window() * c.w.n));
  transpose(w.const_data_ptr<float>(), c.w.n, c.window(), matrix.data());
  const auto start = bias.defined() ? bias.contiguous() : bias;
  direct_convolution::convolve(shape_of(c), x.const_data_ptr<float>(), matrix.data(), start.defined() ? start.const_data_ptr<float>() : nullptr, y.mutable_data_ptr<float>());
  return y;
}

at::Tensor input_gradient_directly(const Convolution& c, const at::Tensor& dy, const at::Tensor& w) {
  auto dx = empty_image(c.x, dy);
  const auto matrix = turned(c.w, w.const_data_ptr<float>());
  direct_convolution::convolve(shape_of_input_gradient(c), dy.const_data_ptr<float>(), matrix.data(), nullptr, dx.mutable_data_ptr<float>());
  return dx;
}

at::Tensor weight_gradient_directly(const Convolution& c, const at::Tensor& dy, const at::Tensor& x) {
  auto dw = empty_image(c.w, x);
  std::vector<float> matrix(static_cast<size_t>(c.window() * c.w.n));
  direct_convolution::weight_gradient(shape_of(c), x.const_data_ptr<float>(), dy.const_data_ptr<float>(), matrix.data());
  transpose(matrix.data(), c.window(), c.w.n, dw.mutable_data_ptr<float>());
  return dw;
}

// --- By Winograd's algorithm ---

constexpr int64_t kLeastTiles = 8;  // of fewer, more time goes into the weight than into products

winograd::Shape tiled(const Convolution& c) { return {c.x.n, c.x.height, c.x.width, c.x.channels, c.w.n, c.padding[0], c.padding[1]}; }

winograd::Shape tiled_input_gradient(const Convolution& c) {
  return {c.y.n, c.y.height, c.y.width, c.w.n, c.w.channels, 2 - c.padding[0], 2 - c.padding[1]};
}

at::Tensor output_by_tiles(const Convolution& c, const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias) {
  auto y = empty_image(c.y, x);
  const auto start = bias.defined() ? bias.contiguous() : bias;
  winograd::convolve(tiled(c), x.const_data_ptr<float>(), w.const_data_ptr<float>(), /*turned=*/false, start.defined() ? start.const_data_ptr<float>() : nullptr, y.mutable_data_ptr<float>());
  return y;
}

at::Tensor input_gradient_by_tiles(const Convolution& c, const at::Tensor& dy, const at::Tensor& w) {
  auto dx = empty_image(c.x, dy);
  winograd::convolve(tiled_input_gradient(c), dy.const_data_ptr<float>(), w.const_data_ptr<float>(), /*turned=*/true, nullptr, dx.mutable_data_ptr<float>());
  return dx;
}

at::Tensor weight_gradient_by_tiles(const Convolution& c, const at::Tensor& dy, const at::Tensor& x) {
  auto dw = empty_image(c.w, x);
  winograd::weight_gradient(tiled(c), x.const_data_ptr<float>(), dy.const_data_ptr<float>(), dw.mutable_data_ptr<float>());
  return dw;
}

// --- Which way ---

// How each of a convolution's three results is computed. The bounds come from times on processors with AVX-512, see
// docs/performance.md.
enum class Way : uint8_t { libtorch, product, direct, tiles };
struct Choice {
  Way forward = Way::libtorch, weight = Way::libtorch, input = Way::libtorch;
};

// At the edges tiles reach beyond the output: of 3 × 3 pixels they take four for as many products as they save.
bool pays_by_tiles(const winograd::Shape& shape) {
  return shape.top >= 0 && shape.left >= 0 && shape.tiles() >= kLeastTiles && 4 * shape.tiles() <= shape.n * shape.out_height() * shape.out_width() * 5 / 3;
}

bool may_take_tiles(const Convolution& c) {
  return has_avx512() && c.w.height == 3 && c.w.width == 3 && c.x.channels % kLanes == 0 && c.w.n % kLanes == 0;
}

Way direct_if(bool condition) { return condition ? Way::direct : Way::libtorch; }

// Of the convolution itself, and of its input's gradient, which is one, too.
bool pays_directly(const direct_convolution::Shape& shape) {
  if (shape.out % kLanes != 0 || shape.top < 0 || shape.left < 0) return false;
  if (shape.channels <= kFewChannels) return shape.out <= 4 * kLanes;
  if (shape.channels * shape.out > kSmallWeight) return false;
  return shape.out % (2 * kLanes) == 0 || shape.n * shape.out_height() * shape.out_width() * shape.window() * shape.out <= kLittleWork;
}

Choice choose(const Convolution& c) {
  if (c.windows() == 0 || c.window() == 0) return {};
  const std::array<int64_t, 2> one = {1, 1};
  const bool plain = c.stride == one && c.dilation == one;
  if (plain && may_take_tiles(c) && pays_by_tiles(tiled(c)) && pays_by_tiles(tiled_input_gradient(c))) return {Way::tiles, Way::tiles, Way::tiles};
  if (c.w.n >= 64 && c.w.channels >= 64) {
    const bool few_pixels = c.y.width <= 4 || c.windows() <= 512;
    const bool strided = c.stride[0] > 1 || c.stride[1] > 1;
    const auto product_if = [](bool condition) { return condition ? Way::product : Way::libtorch; };
    return {product_if(few_pixels), product_if(few_pixels || strided || c.w.n >= 256), product_if(few_pixels)};
  }
  if (!plain || c.w.pixels() == 1 || !has_avx512()) return {};
  const auto shape = shape_of(c);
  const bool little = shape.channels <= kFewChannels || c.windows() * c.window() * c.w.n <= kLittleWork;
  return {direct_if(pays_directly(shape)), direct_if(pays_directly(shape) && little), direct_if(pays_directly(shape_of_input_gradient(c)))};
}

at::Tensor output(Way way, const Convolution& c, const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias) {
  if (way == Way::tiles) return output_by_tiles(c, x, w, bias);
  return way == Way::direct ? output_directly(c, x, w, bias) : convolution_products::output(c, x, w, bias);
}

at::Tensor input_gradient(Way way, const Convolution& c, const at::Tensor& dy, const at::Tensor& w) {
  if (way == Way::tiles) return input_gradient_by_tiles(c, dy, w);
  return way == Way::direct ? input_gradient_directly(c, dy, w) : convolution_products::input_gradient(c, dy, w);
}

at::Tensor weight_gradient(Way way, const Convolution& c, const at::Tensor& dy, const at::Tensor& x) {
  if (way == Way::tiles) return weight_gradient_by_tiles(c, dy, x);
  return way == Way::direct ? weight_gradient_directly(c, dy, x) : convolution_products::weight_gradient(c, dy, x);
}

// aten::convolution(input, weight, bias?, stride, padding, dilation, …) -> output
void convolve(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto* arguments = stack.data() + stack.size() - kConvolutionArguments;
  const auto x = arguments[0].toTensor(), w = arguments[1].toTensor();
  const auto bias = arguments[2].isNone() ? at::Tensor() : arguments[2].toTensor();
  const auto stride = pair_of(arguments[3]), padding = pair_of(arguments[4]), dilation = pair_of(arguments[5]);
  const std::array<int64_t, 4> sizes = {x.size(0), w.size(0), length_of(x.size(2), w.size(2), stride[0], padding[0], dilation[0]),
                                        length_of(x.size(3), w.size(3), stride[1], padding[1], dilation[1])};
  const auto c = convolution_of(x, w, sizes, arguments + 3);
  auto y = output(choose(c).forward, c, x, w, bias);
  stack.erase(stack.end() - kConvolutionArguments, stack.end());
  stack.emplace_back(std::move(y));
}

// aten::convolution_backward(dL/doutput, input, weight, bias sizes?, stride, padding, dilation, transposed, output padding, groups, mask)
//   -> (dL/dinput, dL/dweight, dL/dbias)
void convolve_backward(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto* arguments = stack.data() + stack.size() - kConvolutionBackwardArguments;
  const auto x = arguments[1].toTensor(), w = arguments[2].toTensor();
  const auto dy = arguments[0].toTensor().contiguous(at::MemoryFormat::ChannelsLast);
  const auto c = convolution_of(x, w, dy.sizes(), arguments + 4);
  const auto wanted = arguments[10].toBoolList();
  const auto choice = choose(c);
  std::array<at::Tensor, 3> results;
  const bool by_libtorch[] = {wanted[0] && choice.input == Way::libtorch, wanted[1] && choice.weight == Way::libtorch};
  if (by_libtorch[0] || by_libtorch[1]) {
    torch::jit::Stack rest(arguments, arguments + kConvolutionBackwardArguments);
    rest.back() = c10::List<bool>({by_libtorch[0], by_libtorch[1], false});
    op.callBoxed(rest);
    for (size_t i = 0; i < 2; i++)
      if (by_libtorch[i]) results[i] = rest[i].toTensor();
  }
  if (wanted[0] && !by_libtorch[0]) results[0] = input_gradient(choice.input, c, dy, w);
  if (wanted[1] && !by_libtorch[1]) results[1] = weight_gradient(choice.weight, c, dy, x);
  if (wanted[2]) results[2] = dy.sum({0, 2, 3});
  stack.erase(stack.end() - kConvolutionBackwardArguments, stack.end());
  for (auto& result : results) stack.emplace_back(std::move(result));
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
