#include <ATen/ops/randint.h>

#include <algorithm>
#include <cmath>

#include "../errors.h"
#include "augmentations.h"
#include "transforms.h"

namespace steppe::data {
namespace {

// In the order of torchvision's RandAugment; lib/data/augment.ts numbers them likewise.
enum Operation { identity, shear_x, shear_y, translate_x, translate_y, rotate, brightness, color, contrast, sharpness, posterize, solarize, auto_contrast, equalize, operations };

constexpr bool is_signed(int operation) { return operation >= shear_x && operation <= sharpness; }

// What magnitude number `bin` of `bins` means for an operation: RandAugment's table (arXiv 1909.13719, as torchvision has it). In
// float32, as torch.linspace counts: from both ends to the middle.
double magnitude_of(int operation, int64_t bin, int64_t bins, int64_t height, int64_t width) {
  const auto along = [&](double first, double last) {
    const auto from = static_cast<float>(first), to = static_cast<float>(last), step = (to - from) / static_cast<float>(bins - 1);
    return static_cast<double>(bin < bins / 2 ? from + step * static_cast<float>(bin) : to - step * static_cast<float>(bins - bin - 1));
  };
  switch (operation) {
    case shear_x:
    case shear_y: return along(0, 0.3);
    case translate_x: return along(0, 150.0 / 331.0 * static_cast<double>(width));
    case translate_y: return along(0, 150.0 / 331.0 * static_cast<double>(height));
    case rotate: return along(0, 30);
    case posterize: return std::nearbyint(8 - static_cast<double>(bin) / (static_cast<double>(bins - 1) / 4));
    case solarize: return along(1, 0);
    case brightness:
    case color:
    case contrast:
    case sharpness: return along(0, 0.9);
    default: return 0;
  }
}

at::Tensor change(const at::Tensor& images, int operation, double magnitude, const Surroundings& around) {
  switch (operation) {
    case shear_x: return shear(images, magnitude, 0, around);
    case shear_y: return shear(images, 0, magnitude, around);
    case translate_x: return translate(images, std::trunc(magnitude), 0, around);
    case translate_y: return translate(images, 0, std::trunc(magnitude), around);
    case rotate: return turn(images, magnitude, around);
    case brightness: return adjust_brightness(images, 1 + magnitude);
    case color: return adjust_saturation(images, 1 + magnitude);
    case contrast: return adjust_contrast(images, 1 + magnitude);
    case sharpness: return adjust_sharpness(images, 1 + magnitude);
    case posterize: return keep_bits(images, static_cast<int>(magnitude));
    case solarize: return invert_above(images, magnitude);
    case auto_contrast: return stretch_contrast(images);
    case equalize: return equalize_histogram(images);
    default: return images;
  }
}

void check_images(const at::Tensor& images, const char* name) {
  const std::string what = std::string("the batch of ") + name;
  if (images.size(1) != 1 && images.size(1) != 3) fail_expected("1 or 3 channels", what, std::to_string(images.size(1)));
  const auto dtype = images.scalar_type();
  if (dtype != at::kByte && dtype != at::kFloat && dtype != at::kDouble) fail_expected("images of uint8, float32 or float64", what, c10::toString(dtype));
}

// bilinear (1) or nearest (0), then the values of what comes in from outside: none for zeros, one, or one per channel
Surroundings read_surroundings(const Numbers& numbers, size_t from, const at::Tensor& images, const char* name) {
  Surroundings around{numbers[from] != 0, Numbers(numbers.begin() + static_cast<std::ptrdiff_t>(from) + 1, numbers.end())};
  const auto values = static_cast<int64_t>(around.fill.size());
  if (values > 1 && values != images.size(1)) fail_expected(std::to_string(images.size(1)) + " values, one for each channel,", std::string("fill of ") + name, std::to_string(values));
  return around;
}

}  // namespace

// operation, magnitude, surroundings
void augment(Batch& batch, const Numbers& numbers, const Random&) {
  auto& images = batch[0];
  check_images(images, "augment");
  if (images.numel() == 0) return;
  images = change(images, static_cast<int>(numbers[0]), numbers[1], read_surroundings(numbers, 2, images, "augment"));
}

// operations per image, magnitude, number of magnitudes, surroundings
void rand_augment(Batch& batch, const Numbers& numbers, const Random& random) {
  check_images(batch[0], "randAugment");
  const auto around = read_surroundings(numbers, 3, batch[0], "randAugment");
  const int64_t n = batch[0].size(0), height = batch[0].size(2), width = batch[0].size(3);
  if (batch[0].numel() == 0) return;
  const auto options = at::TensorOptions(at::kLong);
  for (int64_t layer = 0; layer < static_cast<int64_t>(numbers[0]); layer++) {
    const auto chosen = at::randint(0, operations, {n}, random, options), negative = at::randint(0, 2, {n}, random, options);
    const auto before = batch[0];
    auto after = before.clone();
    // All images with the same operation and sign at once.
    for (int operation = identity + 1; operation < operations; operation++) {
      for (int sign = 0; sign <= (is_signed(operation) ? 1 : 0); sign++) {
        const auto of_operation = chosen.eq(operation);
        const auto which = (is_signed(operation) ? of_operation.logical_and(negative.eq(sign)) : of_operation).nonzero().flatten().to(before.device());
        if (which.numel() == 0) continue;
        const double magnitude = magnitude_of(operation, static_cast<int64_t>(numbers[1]), static_cast<int64_t>(numbers[2]), height, width);
        after.index_copy_(0, which, change(before.index_select(0, which), operation, sign == 1 ? -magnitude : magnitude, around));
      }
    }
    batch[0] = after;
  }
}

}  // namespace steppe::data
