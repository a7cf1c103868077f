#include "gelu_loops.h"

#include "../loops/exponential.h"
#include "../loops/processors.h"

namespace steppe::gelu {
namespace {

STEPPE_LOOPS_BEGIN

struct Point {
  float value, slope;
};

// x Φ(x), and Φ(x) + x φ(x), of the normal distribution. Below 0, Φ(x) = t p(t) exp(-x²/2) with t = 1 / (1 + 0.35 |x| / √2), where 2 t p(t) is a fit to
// exp(z²) erfc(z) at z = |x| / √2 by least squares, weighted until its largest relative error up to z = 9 was least: 5e-8. So small numbers far from
// 0 are as exact as those near it.
struct Exact {
  static STEPPE_INSIDE Point at(float x) {
    const float size = x < 0 ? -x : x, t = 1.0f / (1.0f + 0.247487373f * size);
    float p = 0.0250230711f;
    p = p * t - 0.155862406f;
    p = p * t + 0.316881776f;
    p = p * t - 0.233878374f;
    p = p * t + 0.223672345f;
    p = p * t + 0.0226765145f;
    p = p * t + 0.1055317f;
    p = p * t + 0.0971372575f;
    p = p * t + 0.0988180935f;
    const float bell = exponential_or_nothing(-0.5f * x * x), tail = p * t * bell, share = x < 0 ? tail : 1.0f - tail;
    return {x * share, share + x * (bell * 0.3989422804f)};
  }
};

// x σ(2u) with u = √(2/π) (x + 0.044715 x³), which is x (1 + tanh u) / 2, and its derivative.
struct ByTangent {
  static STEPPE_INSIDE Point at(float x) {
    constexpr float kTwice = 1.5957691216f, kCube = 0.044715f;
    const float near = x > 20.0f ? 20.0f : x < -20.0f ? -20.0f : x;  // beyond, σ(2u) is 0 or 1
    const float square = near * near, twice = kTwice * x * (1.0f + kCube * square);
    const float small = exponential_or_nothing(twice < 0 ? twice : -twice), all = 1.0f / (1.0f + small), rest = small * all;
    const float share = twice < 0 ? rest : all;
    return {x * share, share + x * (all * rest) * (kTwice * (1.0f + 3.0f * kCube * square))};
  }
};

template <class Form>
STEPPE_INSIDE void values_of(int64_t count, const float* x, float* y) {
  _Pragma("GCC ivdep")
  for (int64_t i = 0; i < count; i++) y[i] = Form::at(x[i]).value;
}

template <class Form>
STEPPE_INSIDE void points_of(int64_t count, const float* x, float* y, float* slopes) {
  _Pragma("GCC ivdep")
  for (int64_t i = 0; i < count; i++) {
    const auto [value, slope] = Form::at(x[i]);
    y[i] = value;
    slopes[i] = slope;
  }
}

template <class Form>
STEPPE_INSIDE void gradients_of(int64_t count, const float* dy, const float* x, float* dx) {
  _Pragma("GCC ivdep")
  for (int64_t i = 0; i < count; i++) dx[i] = dy[i] * Form::at(x[i]).slope;
}

}  // namespace

STEPPE_FOR_ALL_PROCESSORS
void values(bool by_tangent, int64_t count, const float* x, float* y) { by_tangent ? values_of<ByTangent>(count, x, y) : values_of<Exact>(count, x, y); }

STEPPE_FOR_ALL_PROCESSORS
void points(bool by_tangent, int64_t count, const float* x, float* y, float* slopes) {
  by_tangent ? points_of<ByTangent>(count, x, y, slopes) : points_of<Exact>(count, x, y, slopes);
}

STEPPE_FOR_ALL_PROCESSORS
void gradients(bool by_tangent, int64_t count, const float* dy, const float* x, float* dx) {
  by_tangent ? gradients_of<ByTangent>(count, dy, x, dx) : gradients_of<Exact>(count, dy, x, dx);
}

STEPPE_FOR_ALL_PROCESSORS
void gradients(int64_t count, const float* dy, const float* slopes, float* dx) {
  _Pragma("GCC ivdep")
  for (int64_t i = 0; i < count; i++) dx[i] = dy[i] * slopes[i];
}

STEPPE_LOOPS_END

}  // namespace steppe::gelu
