#include "row_product.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <utility>

#include "parallel.h"
#include "processors.h"

namespace steppe::row_product {
namespace {

using Lanes = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

constexpr int64_t kMostRows = 6;  // of the 32 registers, 4 × 6 are for sums
constexpr int64_t kGrain = 1 << 15;

// The registers of a panel from this column on.
int64_t panel_at(int64_t column, int64_t out) {
  const auto left = (out - column) / kLanes;
  return left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

STEPPE_LOOPS_BEGIN

#define STEPPE_EACH(i, count) _Pragma("GCC unroll 16") for (int i = 0; i < count; i++)

struct Sizes {
  int64_t in, out;
};

// P rows, V registers of columns.
template <int P, int V>
STEPPE_INSIDE void block(const Sizes& sizes, const float* x, const float* panel, float* y, bool adds) {
  Lanes sums[P][V] = {};
  for (int64_t k = 0; k < sizes.in; k++, panel += V * kLanes) {
    Lanes w[V];
    STEPPE_EACH(v, V) w[v] = *reinterpret_cast<const Lanes*>(panel + v * kLanes);
    STEPPE_EACH(p, P) STEPPE_EACH(v, V) sums[p][v] += x[p * sizes.in + k] * w[v];
  }
  STEPPE_EACH(p, P) STEPPE_EACH(v, V) {
    auto& to = *reinterpret_cast<Lanes*>(y + p * sizes.out + v * kLanes);
    to = adds ? to + sums[p][v] : sums[p][v];
  }
}

template <int V>
STEPPE_INSIDE void panel_of_rows(const Sizes& sizes, int64_t rows, const float* x, const float* panel, float* y, bool adds) {
  const auto blocks = (rows + kMostRows - 1) / kMostRows, most = (rows + blocks - 1) / blocks;
  for (int64_t at = 0; at < rows; at += most, x += most * sizes.in, y += most * sizes.out) {
    switch (std::min(most, rows - at)) {
#define STEPPE_CASE(P) case P: block<P, V>(sizes, x, panel, y, adds); break;
      STEPPE_CASE(1) STEPPE_CASE(2) STEPPE_CASE(3) STEPPE_CASE(4) STEPPE_CASE(5) STEPPE_CASE(6)
#undef STEPPE_CASE
    }
  }
}

STEPPE_FOR_ALL_PROCESSORS
void multiply_panels(const Sizes& sizes, int64_t rows, const float* x, const float* panels, float* y, bool adds) {
  for (int64_t column = 0; column < sizes.out;) {
    const auto registers = panel_at(column, sizes.out);
    switch (registers) {
      case 4: panel_of_rows<4>(sizes, rows, x, panels, y + column, adds); break;
      case 2: panel_of_rows<2>(sizes, rows, x, panels, y + column, adds); break;
      default: panel_of_rows<1>(sizes, rows, x, panels, y + column, adds);
    }
    column += registers * kLanes;
    panels += registers * kLanes * sizes.in;
  }
}

// Exchanges the off-diagonal blocks of D × D of two vectors: after D = 8, 4, 2, 1 a block of 16 × 16 is transposed.
template <int D, int... L>
STEPPE_INSIDE void exchange(Lanes& a, Lanes& b, std::integer_sequence<int, L...>) {
#if defined(__clang__)
  const Lanes low = __builtin_shufflevector(a, b, ((L & D) == 0 ? L : 16 + L - D)...), high = __builtin_shufflevector(a, b, ((L & D) == 0 ? L + D : 16 + L)...);
#else
  using Places = int32_t __attribute__((vector_size(kLanes * sizeof(int32_t))));
  const Lanes low = __builtin_shuffle(a, b, Places{((L & D) == 0 ? L : 16 + L - D)...}), high = __builtin_shuffle(a, b, Places{((L & D) == 0 ? L + D : 16 + L)...});
#endif
  a = low;
  b = high;
}

template <int D>
STEPPE_INSIDE void exchange_all(Lanes (&lines)[kLanes]) {
  STEPPE_EACH(i, 16) if ((i & D) == 0) exchange<D>(lines[i], lines[i + D], std::make_integer_sequence<int, 16>());
}

// Sixteen columns of a panel.
STEPPE_FOR_ALL_PROCESSORS
void fill(const Sizes& sizes, const float* from, int64_t row, int64_t column, float* to) {
  int64_t k = 0;
  if (row == 1) {  // W is a transposed matrix
    for (; k + kLanes <= sizes.in; k += kLanes) {
      Lanes lines[kLanes];
      STEPPE_EACH(c, 16) lines[c] = *reinterpret_cast<const Lanes*>(from + c * column + k);
      exchange_all<8>(lines);
      exchange_all<4>(lines);
      exchange_all<2>(lines);
      exchange_all<1>(lines);
      STEPPE_EACH(i, 16) *reinterpret_cast<Lanes*>(to + (k + i) * sizes.out) = lines[i];
    }
  }
  for (; k < sizes.in; k++)
    for (int64_t c = 0; c < kLanes; c++) to[k * sizes.out + c] = from[k * row + c * column];
}

#undef STEPPE_EACH

STEPPE_LOOPS_END

}  // namespace

Matrix::Matrix(const at::Tensor& w) : in_(w.size(0)), out_(w.size(1)), panels_(at::empty({in_ * out_}, w.options())) {
  const auto row = w.stride(0), column = w.stride(1);
  const auto* from = w.const_data_ptr<float>();
  auto* to = panels_.mutable_data_ptr<float>();
  // A block of 16 columns is in one panel: those before it have all their rows in front of it.
  parallel_for(0, out_ / kLanes, std::max<int64_t>(1, kGrain / (in_ * kLanes)), [&](int64_t begin, int64_t end) {
    for (int64_t at = 0; at < end * kLanes;) {
      const auto width = panel_at(at, out_) * kLanes;
      for (auto c = std::max(at, begin * kLanes); c < std::min(at + width, end * kLanes); c += kLanes)
        fill({in_, width}, from + c * column, row, column, to + at * in_ + (c - at));
      at += width;
    }
  });
}

void Matrix::multiply(int64_t rows, const float* x, float* y, bool adds) const {
  multiply_panels({in_, out_}, rows, x, panels_.const_data_ptr<float>(), y, adds);
}

}  // namespace steppe::row_product
