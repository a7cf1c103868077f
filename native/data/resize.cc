#include <ATen/Version.h>
#include <ATen/ops/_upsample_bicubic2d_aa.h>
#include <ATen/ops/_upsample_bilinear2d_aa.h>
#include <ATen/ops/upsample_bicubic2d.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/upsample_nearest2d.h>

#include <algorithm>

#include "../errors.h"
#include "transforms.h"

namespace steppe::data {
namespace {

enum Interpolation { nearest, bilinear, bicubic };

// A side after it was scaled with the other, rounded down.
int64_t scaled(int64_t target, int64_t side, int64_t other) { return static_cast<int64_t>(static_cast<double>(target * side) / static_cast<double>(other)); }

at::Tensor interpolate(const at::Tensor& images, at::IntArrayRef size, Interpolation how, bool antialias) {
  if (how == nearest) return at::upsample_nearest2d(images, size);
  if (how == bilinear) return antialias ? at::_upsample_bilinear2d_aa(images, size, false) : at::upsample_bilinear2d(images, size, false);
  return antialias ? at::_upsample_bicubic2d_aa(images, size, false) : at::upsample_bicubic2d(images, size, false);
}

// Whether LibTorch has a kernel for bytes that is worth it, as torchvision decides.
bool in_bytes(const at::Tensor& images, Interpolation how) {
  if (images.scalar_type() != at::kByte) return false;
  if (how == nearest) return images.device().is_cpu() || images.device().is_cuda();
  if (!images.device().is_cpu()) return false;
#if defined(__aarch64__) || defined(_M_ARM64)
  return true;
#else
  const auto capability = at::get_cpu_capability();
  return how == bicubic || capability == "AVX2" || capability == "AVX512";
#endif
}

}  // namespace

// height, width (0: height is the shorter side's length), longest side (0: any), interpolation, antialias
void resize(Batch& batch, const Numbers& numbers, const Random&) {
  auto& images = batch[0];
  const int64_t height = images.size(2), width = images.size(3);
  int64_t h = static_cast<int64_t>(numbers[0]), w = static_cast<int64_t>(numbers[1]);
  if (height == 0 || width == 0) fail_expected("images of at least one pixel", "the batch of resize", std::to_string(height) + " by " + std::to_string(width));
  if (w == 0) {
    const int64_t shorter = std::min(height, width), longer = std::max(height, width), longest = static_cast<int64_t>(numbers[2]);
    int64_t short_side = h, long_side = scaled(h, longer, shorter);
    if (longest > 0 && long_side > longest) {
      short_side = scaled(longest, short_side, long_side);
      long_side = longest;
    }
    h = width <= height ? long_side : short_side;
    w = width <= height ? short_side : long_side;
  }
  if (h < 1 || w < 1) fail_expected("a size of at least one pixel", "resize", std::to_string(h) + " by " + std::to_string(w));
  if (h == height && w == width) return;
  const auto how = static_cast<Interpolation>(static_cast<int>(numbers[3]));
  const auto dtype = images.scalar_type();
  if (dtype == at::kFloat || dtype == at::kDouble || in_bytes(images, how)) {
    images = interpolate(images, {h, w}, how, numbers[4] != 0);
    return;
  }
  auto result = interpolate(images.to(at::kFloat), {h, w}, how, numbers[4] != 0);
  if (how == bicubic && dtype == at::kByte) result.clamp_(0, 255);
  if (!at::isFloatingType(dtype)) result.round_();
  images = result.to(dtype);
}

}  // namespace steppe::data
