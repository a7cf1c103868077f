#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

namespace steppe::data {

// The operations of AutoAugment's family on images [N, C, H, W] with 1 or 3 channels: uint8 from 0 to 255, or floats from 0 to 1.
// All images alike. Value for value what torchvision's functions of the same purpose give.

// What an image that is moved is seen against, and how pixels are found between pixels.
struct Surroundings {
  bool bilinear = false;
  std::vector<double> fill;  // none: zeros; one value, or one per channel
};

at::Tensor shear(const at::Tensor& images, double x, double y, const Surroundings& around);          // x' = x + factor·y, about the upper left corner
at::Tensor translate(const at::Tensor& images, double x, double y, const Surroundings& around);      // in pixels
at::Tensor turn(const at::Tensor& images, double degrees, const Surroundings& around);               // against the clock, about the middle

// A factor of 1 changes nothing, 0 gives black, grey, the mean grey, or smoothed.
at::Tensor adjust_brightness(const at::Tensor& images, double factor);
at::Tensor adjust_saturation(const at::Tensor& images, double factor);
at::Tensor adjust_contrast(const at::Tensor& images, double factor);
at::Tensor adjust_sharpness(const at::Tensor& images, double factor);

at::Tensor keep_bits(const at::Tensor& images, int bits);                 // posterize
at::Tensor invert_above(const at::Tensor& images, double threshold);      // solarize; a share of white
at::Tensor stretch_contrast(const at::Tensor& images);                    // each channel from black to white
at::Tensor equalize_histogram(const at::Tensor& images);                  // each channel, as Pillow's ImageOps.equalize

}  // namespace steppe::data
