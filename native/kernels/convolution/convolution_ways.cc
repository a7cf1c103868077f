#include "convolution_ways.h"

#include <array>
#include <cstring>

#include "../loops/lanes.h"
#include "../loops/scratch.h"
#include "../transposition.h"
#include "convolution_products.h"
#include "direct_convolution.h"
#include "winograd.h"

namespace steppe::convolution_ways {
namespace {

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

// [out, height, width, channels] as [height, width, out, channels], each window from its end.
void turn(const Image& w, const float* from, float* to) {
  for (int64_t o = 0; o < w.n; o++)
    for (int64_t at = 0; at < w.pixels(); at++)
      std::memcpy(to + ((w.pixels() - 1 - at) * w.n + o) * w.channels, from + (o * w.pixels() + at) * w.channels, static_cast<size_t>(w.channels) * sizeof(float));
}

const float* data_of(const at::Tensor& bias) { return bias.defined() ? bias.const_data_ptr<float>() : nullptr; }

at::Tensor output_directly(const Convolution& c, const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias) {
  auto y = empty_image(c.y);
  CallMemory memory(c.window() * c.w.n);
  auto* matrix = memory.take(c.window() * c.w.n);
  transpose_matrix(c.w.n, c.window(), w.const_data_ptr<float>(), matrix);
  direct_convolution::convolve(shape_of(c), x.const_data_ptr<float>(), matrix, data_of(bias), y.mutable_data_ptr<float>());
  return y;
}

at::Tensor input_gradient_directly(const Convolution& c, const at::Tensor& dy, const at::Tensor& w) {
  auto dx = empty_image(c.x);
  CallMemory memory(c.window() * c.w.n);
  auto* matrix = memory.take(c.window() * c.w.n);
  turn(c.w, w.const_data_ptr<float>(), matrix);
  direct_convolution::convolve(shape_of_input_gradient(c), dy.const_data_ptr<float>(), matrix, nullptr, dx.mutable_data_ptr<float>());
  return dx;
}

at::Tensor weight_gradient_directly(const Convolution& c, const at::Tensor& dy, const at::Tensor& x) {
  auto dw = empty_image(c.w);
  const auto shape = shape_of(c);
  const auto floats = direct_convolution::gradient_floats(shape);
  CallMemory memory(floats);
  auto* matrix = memory.take(floats);
  direct_convolution::weight_gradient(shape, x.const_data_ptr<float>(), dy.const_data_ptr<float>(), matrix);
  transpose_matrix(c.window(), c.w.n, matrix, dw.mutable_data_ptr<float>());
  return dw;
}

// --- By Winograd's algorithm ---

constexpr int64_t kLeastTiles = 8;  // of fewer, more time goes into the weight than into products

winograd::Shape tiled(const Convolution& c) { return {c.x.n, c.x.height, c.x.width, c.x.channels, c.w.n, c.padding[0], c.padding[1]}; }

winograd::Shape tiled_input_gradient(const Convolution& c) {
  return {c.y.n, c.y.height, c.y.width, c.w.n, c.w.channels, 2 - c.padding[0], 2 - c.padding[1]};
}

at::Tensor output_by_tiles(const Convolution& c, const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias) {
  auto y = empty_image(c.y);
  winograd::convolve(tiled(c), x.const_data_ptr<float>(), w.const_data_ptr<float>(), /*turned=*/false, data_of(bias), y.mutable_data_ptr<float>());
  return y;
}

at::Tensor input_gradient_by_tiles(const Convolution& c, const at::Tensor& dy, const at::Tensor& w) {
  auto dx = empty_image(c.x);
  winograd::convolve(tiled_input_gradient(c), dy.const_data_ptr<float>(), w.const_data_ptr<float>(), /*turned=*/true, nullptr, dx.mutable_data_ptr<float>());
  return dx;
}

at::Tensor weight_gradient_by_tiles(const Convolution& c, const at::Tensor& dy, const at::Tensor& x) {
  auto dw = empty_image(c.w);
  winograd::weight_gradient(tiled(c), x.const_data_ptr<float>(), dy.const_data_ptr<float>(), dw.mutable_data_ptr<float>());
  return dw;
}

// --- Which way ---

// At its edges tiles reach beyond the output: where they cover 5/3 of it, three quarters of the products are left.
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

}  // namespace

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

}  // namespace steppe::convolution_ways
