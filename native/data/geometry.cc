#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/grid_sampler.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <array>
#include <cmath>

#include "augmentations.h"

namespace steppe::data {
namespace {

constexpr double kRadians = M_PI / 180;

// Row by row, from the result's pixels to the image's, both counted from the middle: x = a·x' + b·y' + c.
using Affine = std::array<double, 6>;

// The inverse of: shear by angles, turn by an angle (radians), all about `centre`, then translate.
Affine inverse(double angle, double shear_x, double shear_y, std::array<double, 2> shift, std::array<double, 2> centre) {
  const double cosine = std::cos(shear_y), tangent = std::tan(shear_x);
  const double a = std::cos(angle - shear_y) / cosine, c = std::sin(angle - shear_y) / cosine;
  const double b = -(a * tangent + std::sin(angle)), d = std::cos(angle) - c * tangent;  // the determinant is 1
  const double x = centre[0] + shift[0], y = centre[1] + shift[1];
  return {d, -b, centre[0] - d * x - -b * y, -c, a, centre[1] - -c * x - a * y};
}

// Where each pixel of the result comes from, in grid_sampler's units: [1, H, W, 2].
at::Tensor grid_of(const Affine& affine, const at::Tensor& images) {
  const int64_t height = images.size(2), width = images.size(3);
  const auto options = images.options().dtype(at::isFloatingType(images.scalar_type()) ? images.scalar_type() : at::kFloat);
  const auto from_middle = [&](int64_t n) { return at::linspace((1.0 - static_cast<double>(n)) * 0.5, (static_cast<double>(n) - 1.0) * 0.5, n, options.dtype(at::kFloat)); };
  auto base = at::ones({1, height, width, 3}, options);
  base.select(3, 0).copy_(from_middle(width));
  base.select(3, 1).copy_(from_middle(height).unsqueeze(1));
  const auto theta = at::tensor(at::ArrayRef<double>(affine), at::TensorOptions(at::kDouble)).to(options).reshape({1, 2, 3});
  const auto half = at::tensor({0.5 * static_cast<double>(width), 0.5 * static_cast<double>(height)}, at::TensorOptions(at::kDouble)).to(options);
  return base.view({1, height * width, 3}).bmm(theta.transpose(1, 2).div(half)).view({1, height, width, 2});
}

at::Tensor sample(const at::Tensor& images, const Affine& affine, const Surroundings& around) {
  const auto grid = grid_of(affine, images).expand({images.size(0), -1, -1, -1});
  auto values = images.to(grid.scalar_type());
  // Behind the last channel, where the image is.
  if (!around.fill.empty()) values = at::cat({values, at::ones({images.size(0), 1, images.size(2), images.size(3)}, values.options())}, 1);
  values = at::grid_sampler(values, grid, around.bilinear ? 0 : 1, 0, false);
  if (!around.fill.empty()) {
    const auto fill = at::tensor(around.fill, at::TensorOptions(at::kDouble)).to(values.options()).view({1, -1, 1, 1});
    const auto mask = values.narrow(1, images.size(1), 1).expand(images.sizes());
    const auto seen = values.narrow(1, 0, images.size(1));
    values = around.bilinear ? seen.sub(fill).mul_(mask).add_(fill) : at::where(mask.lt(0.5), fill.expand(images.sizes()), seen);
  }
  return at::isFloatingType(images.scalar_type()) ? values : values.round().to(images.scalar_type());
}

}  // namespace

at::Tensor shear(const at::Tensor& images, double x, double y, const Surroundings& around) {
  // By way of degrees, as torchvision takes them: it costs the last bit, which may decide on a pixel.
  const auto angle = [](double factor) { return std::atan(factor) * (180 / M_PI) * kRadians; };
  const std::array<double, 2> corner = {-0.5 * static_cast<double>(images.size(3)), -0.5 * static_cast<double>(images.size(2))};
  return sample(images, inverse(0, angle(x), angle(y), {0, 0}, corner), around);
}

at::Tensor translate(const at::Tensor& images, double x, double y, const Surroundings& around) { return sample(images, inverse(0, 0, 0, {x, y}, {0, 0}), around); }

at::Tensor turn(const at::Tensor& images, double degrees, const Surroundings& around) {
  const double angle = degrees - 360 * std::floor(degrees / 360);
  if (angle == 0) return images;
  if (angle == 180) return images.rot90(2, {2, 3});
  if (images.size(2) == images.size(3) && (angle == 90 || angle == 270)) return images.rot90(angle == 90 ? 1 : 3, {2, 3});
  return sample(images, inverse(-angle * kRadians, 0, 0, {0, 0}, {0, 0}), around);
}

}  // namespace steppe::data
