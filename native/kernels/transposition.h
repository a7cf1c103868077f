#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

// Images and weights of images between their two orders in memory, channels first and channels last: matrices [channels, pixels] and
// [pixels, channels], one for each sample. LibTorch's copy goes element by element.
namespace steppe {

// to [columns, rows] ← from [rows, columns].
void transpose_matrix(int64_t rows, int64_t columns, const float* from, float* to);

// Whether `copy_image` can: float32 on the CPU, four dimensions of the same sizes, one with its channels first and the other with them last.
bool is_image_in_other_order(const at::Tensor& to, const at::Tensor& from);
void copy_image(at::Tensor& to, const at::Tensor& from);

// The image with its channels last: itself, if it lies so.
at::Tensor with_channels_last(const at::Tensor& image);

}  // namespace steppe
