#pragma once
#include <cstdint>

// Loops over a layer norm's rows.
namespace steppe::layer_norm {

// weight and bias: null where there is none.
struct Affine {
  const float *weight, *bias;
};

// Of each row its mean, 1/√(variance + eps), and (x - mean) / √(variance + eps) · weight + bias.
void normalize_rows(int64_t rows, int64_t columns, double eps, const float* x, const Affine& affine, float* y, float* mean, float* rstd);

// dL/dx of some rows; Σ dL/dy · normalised x and Σ dL/dy over them are added to d_weight and d_bias, unless these are null.
void backward_rows(int64_t rows, int64_t columns, const float* dy, const float* x, const float* mean, const float* rstd, const float* weight, float* dx, float* d_weight,
              float* d_bias);

}  // namespace steppe::layer_norm
