#pragma once
#include <ATen/core/Tensor.h>
#include <c10/util/MaybeOwned.h>

#include <cstdint>

// Images and weights of images between their two orders in memory, channels first and channels last: matrices [channels, pixels] and
// [pixels, channels], one for each sample. LibTorch's copy goes element by element.
namespace steppe {

// to [columns, rows] ← from [rows, columns].
void transpose_matrix(int64_t rows, int64_t columns, const float* from, float* to);

// `from` is float32 on the CPU, of four dimensions; one of the two has its channels first and the other has them last.
void copy_image(at::Tensor& to, const at::Tensor& from);
// As to.copy_(from), by copy_image where it can.
void copy_values(at::Tensor& to, const at::Tensor& from);

// The image with its channels last: itself, held by whoever has it, if it lies so.
c10::MaybeOwned<at::Tensor> with_channels_last(const at::Tensor& image);

}  // namespace steppe
