#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include "augmentations.h"

namespace steppe::data {
namespace {

bool is_float(const at::Tensor& images) { return at::isFloatingType(images.scalar_type()); }
double white(const at::Tensor& images) { return is_float(images) ? 1 : 255; }

// Into the range of an image, and its dtype.
at::Tensor finish(at::Tensor values, const at::Tensor& images) { return values.clamp_(0, white(images)).to(images.scalar_type()); }

// ITU-R 601-2 luma [N, 1, H, W], as floats; of bytes rounded down.
at::Tensor grey(const at::Tensor& images) {
  const auto channel = [&](int64_t c) { return images.narrow(1, c, 1); };
  auto luma = channel(0).mul(0.2989).add_(channel(1), 0.587).add_(channel(2), 0.114);
  return is_float(images) ? luma : luma.floor_();
}

at::Tensor blend(const at::Tensor& images, const at::Tensor& other, double factor) { return finish(images.mul(factor).add_(other, 1 - factor), images); }

}  // namespace

at::Tensor adjust_brightness(const at::Tensor& images, double factor) { return finish(images.mul(factor), images); }

at::Tensor adjust_saturation(const at::Tensor& images, double factor) { return images.size(1) == 1 ? images : blend(images, grey(images), factor); }

at::Tensor adjust_contrast(const at::Tensor& images, double factor) {
  const auto luma = images.size(1) == 3 ? grey(images) : is_float(images) ? images : images.to(at::kFloat);
  return blend(images, luma.mean({1, 2, 3}, true), factor);
}

at::Tensor adjust_sharpness(const at::Tensor& images, double factor) {
  const int64_t channels = images.size(1), height = images.size(2), width = images.size(3);
  if (height <= 2 || width <= 2) return images;
  auto result = images.to(is_float(images) ? images.scalar_type() : at::kFloat, false, /*copy=*/true);
  auto kernel = at::full({channels, 1, 3, 3}, 1.0 / 13.0, result.options());
  kernel.select(2, 1).select(2, 1).fill_(5.0 / 13.0);
  auto smooth = at::conv2d(result, kernel, {}, at::IntArrayRef{1, 1}, at::IntArrayRef{0, 0}, at::IntArrayRef{1, 1}, channels);
  if (!is_float(images)) smooth.round_();
  auto inner = result.narrow(2, 1, height - 2).narrow(3, 1, width - 2);  // the border has no neighbours
  inner.add_(smooth.sub_(inner), 1 - factor);
  return finish(result, images);
}

at::Tensor keep_bits(const at::Tensor& images, int bits) {
  const int levels = 1 << bits;
  if (is_float(images)) return images.mul(levels).floor_().clamp_(0, levels - 1).mul_(1.0 / levels);
  return bits >= 8 ? images : images.bitwise_and((levels - 1) << (8 - bits));
}

at::Tensor invert_above(const at::Tensor& images, double threshold) {
  return at::where(images.ge(threshold * white(images)), is_float(images) ? images.neg().add_(1) : images.bitwise_not(), images);
}

at::Tensor stretch_contrast(const at::Tensor& images) {
  const auto values = is_float(images) ? images : images.to(at::kFloat);
  const auto darkest = values.amin({2, 3}, true), brightest = values.amax({2, 3}, true);
  const auto flat = brightest.eq(darkest);
  const auto scale = brightest.sub(darkest).mul_(1.0 / white(images)).masked_fill_(flat, 1);
  return finish(values.sub(darkest.masked_fill(flat, 0)).div_(scale), images);
}

at::Tensor equalize_histogram(const at::Tensor& images) {
  const auto bytes = is_float(images) ? images.mul(255.999).to(at::kByte) : images;
  const auto pixels = bytes.flatten(2).to(at::kLong);
  auto counts = at::zeros({images.size(0), images.size(1), 256}, pixels.options());
  counts.scatter_add_(2, pixels, at::full({}, 1, pixels.options()).expand_as(pixels));
  const auto up_to = counts.cumsum(2);
  // Without the pixels of the brightest value that occurs: the first one up to which all are counted.
  const auto brightest = counts.gather(2, up_to.argmax(2, true));
  const auto step = brightest.neg().add_(pixels.size(2)).div_(255, "floor");
  const auto table = up_to.narrow(2, 0, 255).add(step.div(2, "floor")).div_(step.clamp(1), "floor").clamp_(0, 255);
  const auto lookup = at::cat({at::zeros({images.size(0), images.size(1), 1}, table.options()), table}, 2).to(at::kByte);
  const auto result = at::where(step.ne(0).unsqueeze(3), lookup.gather(2, pixels).view_as(bytes), bytes);
  return is_float(images) ? result.to(images.scalar_type()).mul_(1.0 / 255) : result;
}

}  // namespace steppe::data
