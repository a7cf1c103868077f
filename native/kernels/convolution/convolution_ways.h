#pragma once
#include "convolution_shapes.h"

// The ways in which a convolution's three results are computed, and which of them is taken. Float32, channels last, one group.
namespace steppe::convolution_ways {

// product: convolution_products.h; direct: direct_convolution.h; tiles: winograd.h.
enum class Way : uint8_t { libtorch, product, direct, tiles };
struct Choice {
  Way forward = Way::libtorch, weight = Way::libtorch, input = Way::libtorch;
};

// By shapes and processor alone. The bounds come from times on processors with AVX-512, see docs/performance.md.
Choice choose(const Convolution& c);

// None of these is for Way::libtorch. The bias, if there is one, is contiguous.
at::Tensor output(Way way, const Convolution& c, const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias);
at::Tensor input_gradient(Way way, const Convolution& c, const at::Tensor& dy, const at::Tensor& w);
at::Tensor weight_gradient(Way way, const Convolution& c, const at::Tensor& dy, const at::Tensor& x);

}  // namespace steppe::convolution_ways
