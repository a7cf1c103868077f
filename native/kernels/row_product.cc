#include "row_product.h"

#include <algorithm>
#include <utility>

#include "lanes.h"

namespace steppe::row_product {
namespace {

constexpr int64_t kMostRows = 6;  // of the 32 registers, 4 × 6 are for sums

STEPPE_LOOPS_BEGIN

struct Product {
  int64_t in;
  const float* x;
  int64_t x_row, x_column;  // from row to row, from column to column
  Rows<float> y;
  bool adds;
};

// P rows, V registers of columns: those of W from w on.
template <int P, int V>
STEPPE_INSIDE void block(const Product& product, const float* x, Rows<const float> w, float* y) {
  const auto x_row = product.x_row, y_step = product.y.step;
  Lanes sums[P][V] = {};
  for (int64_t k = 0; k < product.in; k++, x += product.x_column, w.data += w.step) {
    Lanes row[V];
    STEPPE_EACH(v, V) row[v] = *reinterpret_cast<const Lanes*>(w.data + v * kLanes);
    STEPPE_EACH(p, P) STEPPE_EACH(v, V) sums[p][v] += x[p * x_row] * row[v];
  }
  STEPPE_EACH(p, P) STEPPE_EACH(v, V) {
    auto& to = *reinterpret_cast<Lanes*>(y + p * y_step + v * kLanes);
    to = product.adds ? to + sums[p][v] : sums[p][v];
  }
}

template <int V>
STEPPE_INSIDE void columns_of_rows(const Product& product, int64_t rows, Rows<const float> w, int64_t column) {
  const auto blocks = (rows + kMostRows - 1) / kMostRows, most = (rows + blocks - 1) / blocks;
  for (int64_t at = 0; at < rows; at += most) {
    const auto* x = product.x + at * product.x_row;
    auto* y = product.y.data + at * product.y.step + column;
    switch (std::min(most, rows - at)) {
#define STEPPE_CASE(P) case P: block<P, V>(product, x, w, y); break;
      STEPPE_CASE(1) STEPPE_CASE(2) STEPPE_CASE(3) STEPPE_CASE(4) STEPPE_CASE(5) STEPPE_CASE(6)
#undef STEPPE_CASE
    }
  }
}

STEPPE_FOR_ALL_PROCESSORS
void multiply_all(const Product& product, int64_t rows, int64_t out, Rows<const float> w) {
  for (int64_t column = 0; column < out;) {
    const auto left = (out - column) / kLanes;
    if (left >= 4) {
      columns_of_rows<4>(product, rows, w, column);
    } else if (left >= 2) {
      columns_of_rows<2>(product, rows, w, column);
    } else {
      columns_of_rows<1>(product, rows, w, column);
    }
    const auto width = (left >= 4 ? 4 : left >= 2 ? 2 : 1) * kLanes;
    column += width;
    w.data += width;
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

// Sixteen rows to as many columns.
STEPPE_FOR_ALL_PROCESSORS
void transpose_lanes(int64_t columns, Rows<const float> from, Rows<float> to) {
  int64_t k = 0;
  for (; k + kLanes <= columns; k += kLanes) {
    Lanes lines[kLanes];
    STEPPE_EACH(c, 16) lines[c] = *reinterpret_cast<const Lanes*>(from.data + c * from.step + k);
    exchange_all<8>(lines);
    exchange_all<4>(lines);
    exchange_all<2>(lines);
    exchange_all<1>(lines);
    STEPPE_EACH(i, 16) *reinterpret_cast<Lanes*>(to.data + (k + i) * to.step) = lines[i];
  }
  for (; k < columns; k++)
    for (int64_t c = 0; c < kLanes; c++) to.data[k * to.step + c] = from.data[c * from.step + k];
}

STEPPE_LOOPS_END

}  // namespace

void multiply(int64_t rows, int64_t in, int64_t out, Rows<const float> x, Rows<const float> w, Rows<float> y, bool adds) {
  multiply_all({in, x.data, x.step, 1, y, adds}, rows, out, w);
}

void multiply_transposed(int64_t rows, int64_t in, int64_t out, Rows<const float> x, Rows<const float> w, Rows<float> y, bool adds) {
  multiply_all({in, x.data, 1, x.step, y, adds}, rows, out, w);
}

void transpose(int64_t rows, int64_t columns, Rows<const float> from, Rows<float> to) {
  for (int64_t i = 0; i < rows; i += kLanes) transpose_lanes(columns, {from.data + i * from.step, from.step}, {to.data + i, to.step});
}

}  // namespace steppe::row_product
