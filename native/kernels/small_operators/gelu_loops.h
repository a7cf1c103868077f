#pragma once
#include <cstdint>

// GELU's loops over elements, exact or, where `by_tangent`, by tanh.
namespace steppe::gelu {

// y may be x.
void values(bool by_tangent, int64_t count, const float* x, float* y);
// Values and derivatives; the latter may stand in x's place.
void points(bool by_tangent, int64_t count, const float* x, float* y, float* slopes);
// dL/dx from dL/dy, in whose place it may stand: by x, or by the derivatives.
void gradients(bool by_tangent, int64_t count, const float* dy, const float* x, float* dx);
void gradients(int64_t count, const float* dy, const float* slopes, float* dx);

}  // namespace steppe::gelu
