#include "convolution.h"

#include <ATen/Parallel.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "processors.h"

namespace steppe {
namespace {

// An image, or a weight, in memory: [n, height, width, channels].
struct Image {
  int64_t n, channels, height, width;
  static Image of(c10::IntArrayRef sizes) { return {sizes[0], sizes[1], sizes[2], sizes[3]}; }
  int64_t pixels() const { return height * width; }
};

struct Convolution {
  Image x, w, y;
  std::array<int64_t, 2> stride, padding, dilation;
  int64_t windows() const { return y.n * y.pixels(); }                   // rows of the product
  int64_t window() const { return w.channels * w.height * w.width; }     // elements of each
  // The windows are the pixels, one after the other.
  bool is_pointwise() const { return w.pixels() == 1 && stride == std::array<int64_t, 2>{1, 1} && padding == std::array<int64_t, 2>{0, 0}; }
};

// Windows of a few images at a time: so many bytes, if it is more than one image.
constexpr int64_t kWindowBytes = 16 << 20;

STEPPE_LOOPS_BEGIN

// to += from
STEPPE_FOR_ALL_PROCESSORS
void add_row(int64_t n, const float* __restrict__ from, float* __restrict__ to) {
  for (int64_t i = 0; i < n; i++) to[i] += from[i];
}

STEPPE_LOOPS_END

// Visits the pixels under the window of an output pixel, row by row of the window: use(first element in the window, elements, the
// first one's place in the image), or where the image ends, use(…, -1).
template <class Use>
void each_part(const Convolution& c, int64_t oy, int64_t ox, const Use& use) {
  const auto channels = c.x.channels;
  for (int64_t ky = 0; ky < c.w.height; ky++) {
    const auto y = oy * c.stride[0] - c.padding[0] + ky * c.dilation[0];
    const bool outside = y < 0 || y >= c.x.height;
    const auto left = ox * c.stride[1] - c.padding[1];
    const auto at = ky * c.w.width * channels;
    const bool whole = c.dilation[1] == 1 && left >= 0 && left + c.w.width <= c.x.width;
    if (outside || whole) {
      use(at, c.w.width * channels, outside ? -1 : (y * c.x.width + left) * channels);
      continue;
    }
    for (int64_t kx = 0; kx < c.w.width; kx++) {
      const auto x = left + kx * c.dilation[1];
      use(at + kx * channels, channels, x < 0 || x >= c.x.width ? -1 : (y * c.x.width + x) * channels);
    }
  }
}

// The windows of images [first, first + count), a row each.
void gather_windows(const Convolution& c, const float* x, int64_t first, int64_t count, float* rows) {
  const auto size = c.window(), image = c.x.pixels() * c.x.channels;
  at::parallel_for(0, count * c.y.height, 1, [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; line++) {
      const auto* from = x + (first + line / c.y.height) * image;
      for (int64_t ox = 0; ox < c.y.width; ox++) {
        auto* row = rows + (line * c.y.width + ox) * size;
        each_part(c, line % c.y.height, ox, [&](int64_t at, int64_t n, int64_t place) {
          if (place < 0) {
            std::memset(row + at, 0, static_cast<size_t>(n) * sizeof(float));
          } else {
            std::memcpy(row + at, from + place, static_cast<size_t>(n) * sizeof(float));
          }
        });
      }
    }
  });
}

// The transpose of it: adds the rows to the pixels that they came from.
void scatter_windows(const Convolution& c, const float* rows, int64_t first, int64_t count, float* x) {
  const auto size = c.window(), image = c.x.pixels() * c.x.channels;
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n++) {
      auto* to = x + (first + n) * image;
      for (int64_t pixel = 0; pixel < c.y.pixels(); pixel++) {
        const auto* row = rows + (n * c.y.pixels() + pixel) * size;
        each_part(c, pixel / c.y.width, pixel % c.y.width, [&](int64_t at, int64_t elements, int64_t place) {
          if (place >= 0) add_row(elements, row + at, to + place);
        });
      }
    }
  });
}

// Calls use(first image, count) for a few images at a time.
template <class Use>
void each_block(const Convolution& c, const Use& use) {
  const auto bytes = c.y.pixels() * c.window() * static_cast<int64_t>(sizeof(float));
  const auto step = std::clamp<int64_t>(kWindowBytes / std::max<int64_t>(bytes, 1), 1, c.y.n);
  for (int64_t first = 0; first < c.y.n; first += step) use(first, std::min(step, c.y.n - first));
}

// As [pixels, channels] and [channels out, window]: what lies in memory, row by row.
at::Tensor pixels_of(const at::Tensor& image) { return image.permute({0, 2, 3, 1}).view({-1, image.size(1)}); }
at::Tensor matrix_of(const at::Tensor& weight) { return weight.permute({0, 2, 3, 1}).view({weight.size(0), -1}); }

at::Tensor windows_of(const Convolution& c, const at::Tensor& x, int64_t first, int64_t count, at::Tensor& memory) {
  const auto pixels = c.y.pixels();
  if (c.is_pointwise()) return pixels_of(x).narrow(0, first * pixels, count * pixels);
  if (!memory.defined()) memory = at::empty({count * pixels, c.window()}, x.options().memory_format(at::MemoryFormat::Contiguous));
  auto rows = memory.narrow(0, 0, count * pixels);
  gather_windows(c, x.const_data_ptr<float>(), first, count, rows.mutable_data_ptr<float>());
  return rows;
}

at::Tensor empty_image(const Image& image, const at::Tensor& like) {
  return at::empty({image.n, image.channels, image.height, image.width}, like.options().memory_format(at::MemoryFormat::ChannelsLast));
}

std::array<int64_t, 2> pair_of(const c10::IValue& value) {
  const auto list = value.toIntVector();
  return {list.front(), list.back()};
}

Convolution convolution_of(const at::Tensor& x, const at::Tensor& w, c10::IntArrayRef y, const c10::IValue* geometry) {
  return {Image::of(x.sizes()), Image::of(w.sizes()), Image::of(y), pair_of(geometry[0]), pair_of(geometry[1]), pair_of(geometry[2])};
}

int64_t length_of(int64_t x, int64_t w, int64_t stride, int64_t padding, int64_t dilation) { return (x + 2 * padding - dilation * (w - 1) - 1) / stride + 1; }

constexpr size_t kConvolutionArguments = 9, kConvolutionBackwardArguments = 11;

// aten::convolution(input, weight, bias?, stride, padding, dilation, …) -> output
void convolve(const c10::OperatorHandle&, torch::jit::Stack& stack) {
  const auto* arguments = stack.data() + stack.size() - kConvolutionArguments;
  const auto x = arguments[0].toTensor(), w = arguments[1].toTensor();
  const auto bias = arguments[2].isNone() ? at::Tensor() : arguments[2].toTensor();
  const auto stride = pair_of(arguments[3]), padding = pair_of(arguments[4]), dilation = pair_of(arguments[5]);
  const std::array<int64_t, 4> sizes = {x.size(0), w.size(0), length_of(x.size(2), w.size(2), stride[0], padding[0], dilation[0]),
                                        length_of(x.size(3), w.size(3), stride[1], padding[1], dilation[1])};
  const auto c = convolution_of(x, w, sizes, arguments + 3);
  auto y = empty_image(c.y, x);
  auto to = pixels_of(y);
  const auto matrix = matrix_of(w).t();
  at::Tensor memory;
  each_block(c, [&](int64_t first, int64_t count) {
    const auto rows = windows_of(c, x, first, count, memory);
    auto block = to.narrow(0, first * c.y.pixels(), count * c.y.pixels());
    if (bias.defined()) {
      at::addmm_out(block, bias, rows, matrix);
    } else {
      at::mm_out(block, rows, matrix);
    }
  });
  stack.erase(stack.end() - kConvolutionArguments, stack.end());
  stack.emplace_back(std::move(y));
}

at::Tensor weight_gradient(const Convolution& c, const at::Tensor& dy, const at::Tensor& x) {
  auto dw = empty_image(c.w, x);
  auto to = matrix_of(dw);
  const auto from = pixels_of(dy);
  at::Tensor memory;
  each_block(c, [&](int64_t first, int64_t count) {
    const auto rows = windows_of(c, x, first, count, memory);
    const auto block = from.narrow(0, first * c.y.pixels(), count * c.y.pixels()).t();
    if (first == 0) {
      at::mm_out(to, block, rows);
    } else {
      to.addmm_(block, rows);
    }
  });
  return dw;
}

at::Tensor input_gradient(const Convolution& c, const at::Tensor& dy, const at::Tensor& w) {
  auto dx = empty_image(c.x, dy);
  const auto from = pixels_of(dy), matrix = matrix_of(w);
  if (c.is_pointwise()) {
    auto to = pixels_of(dx);
    at::mm_out(to, from, matrix);
    return dx;
  }
  dx.zero_();
  at::Tensor memory;
  each_block(c, [&](int64_t first, int64_t count) {
    const auto pixels = c.y.pixels();
    if (!memory.defined()) memory = at::empty({count * pixels, c.window()}, dy.options());
    auto rows = memory.narrow(0, 0, count * pixels);
    at::mm_out(rows, from.narrow(0, first * pixels, count * pixels), matrix);
    scatter_windows(c, rows.const_data_ptr<float>(), first, count, dx.mutable_data_ptr<float>());
  });
  return dx;
}

// Which of a convolution's three products is faster as one of matrices. The bounds come from times on a processor with AVX-512, see
// docs/performance.md.
struct Choice {
  bool forward, weight, input;
};
Choice choose(const Convolution& c) {
  if (c.windows() == 0 || c.w.n < 64 || c.w.channels < 64) return {};
  const bool few_pixels = c.y.width <= 4 || c.windows() <= 512;
  const bool strided = c.stride[0] > 1 || c.stride[1] > 1;
  return {.forward = few_pixels, .weight = few_pixels || strided || c.w.n >= 256, .input = few_pixels};
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
  const bool by_libtorch[] = {wanted[0] && !choice.input, wanted[1] && !choice.weight};
  if (by_libtorch[0] || by_libtorch[1]) {
    torch::jit::Stack rest(arguments, arguments + kConvolutionBackwardArguments);
    rest.back() = c10::List<bool>({by_libtorch[0], by_libtorch[1], false});
    op.callBoxed(rest);
    for (size_t i = 0; i < 2; i++)
      if (by_libtorch[i]) results[i] = rest[i].toTensor();
  }
  if (wanted[0] && choice.input) results[0] = input_gradient(c, dy, w);
  if (wanted[1] && choice.weight) results[1] = weight_gradient(c, dy, x);
  if (wanted[2]) results[2] = pixels_of(dy).sum(0);
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
      if (c.has_value() && choose(*c).forward) instruction.kernel = convolve;
    } else if (name == "aten::convolution_backward" && instruction.inputs.size() == kConvolutionBackwardArguments) {
      const auto c = convolution_at(instruction, 1, register_of(instruction.inputs[0]), layouts);
      if (!c.has_value()) continue;
      const auto [_, weight, input] = choose(*c);
      if (weight || input) instruction.kernel = convolve_backward;
    }
  }
}

}  // namespace steppe
