#pragma once
#include "convolution_shapes.h"

// A convolution, and each half of its backward, as a product of matrices with the input's windows, one window a row
// (K. Chellapilla et al., High Performance Convolutional Neural Networks for Document Processing, 2006).
namespace steppe::convolution_products {

at::Tensor output(const Convolution& c, const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias);  // bias: or undefined
at::Tensor weight_gradient(const Convolution& c, const at::Tensor& dy, const at::Tensor& x);
at::Tensor input_gradient(const Convolution& c, const at::Tensor& dy, const at::Tensor& w);

}  // namespace steppe::convolution_products
