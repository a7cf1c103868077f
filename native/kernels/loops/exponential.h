#pragma once
#include <cstdint>
#include <cstring>

#include "processors.h"

namespace steppe {

// eˣ by range reduction, x = n ln 2 + r, and a polynomial in r (coefficients of S. Moshier's Cephes library, expf): relative
// error below 2e-7. Below -87 and above 88 it is what it is there. A NaN stays one.
STEPPE_INSIDE float exponential(float x) {
  x = x > 88.0f ? 88.0f : x < -87.0f ? -87.0f : x;
  const float shifted = x * 1.44269504088896341f + 12582912.0f;  // rounds to an integer, in the low bits
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const auto power = (static_cast<int32_t>(n) + 127) << 23;
  float scale;
  std::memcpy(&scale, &power, sizeof scale);
  return p * scale;
}

// The exponential of what is at most 0, or 0 for what vanishes beside 1: products with numbers that are almost too small to be one take many
// times as long.
STEPPE_INSIDE float exponential_or_nothing(float x) { return x < -80.0f ? 0.0f : exponential(x); }

}  // namespace steppe
