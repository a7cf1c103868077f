#include "row_product.h"

#include <algorithm>
#include <utility>

#include "lanes.h"

namespace steppe::row_product {
namespace {

constexpr int64_t kMostDotRows = 4, kMostDotColumns = 5;

STEPPE_LOOPS_BEGIN

struct Product {
  int64_t in;
  Strided x;
  Rows<float> y;
  Onto onto;
};

// P rows, V registers of columns: those of W from w on, and of y's and of what they are added to. None of the first `done` columns is written,
// which a block before has done; only where V is 1.
template <int P, int V>
STEPPE_INSIDE void block(const Product& product, const float* x, Rows<const float> w, float* y, Onto onto, int64_t done) {
  const auto x_step = product.x.row, x_column = product.x.column, y_step = product.y.step;
  Lanes sums[P][V] = {};
  for (int64_t k = 0; k < product.in; k++, x += x_column, w.data += w.step) {
    Lanes row[V];
    STEPPE_EACH(v, V) row[v] = STEPPE_CONST_LANES(w.data + v * kLanes);
    STEPPE_EACH(p, P) STEPPE_EACH(v, V) sums[p][v] += x[p * x_step] * row[v];
  }
  if (V == 1 && done > 0) {
    STEPPE_EACH(p, P) for (auto lane = done; lane < kLanes; lane++) {
      auto& to = y[p * y_step + lane];
      to = onto.data != nullptr ? onto.data[p * onto.step + lane] + sums[p][0][lane] : sums[p][0][lane];
    }
    return;
  }
  if (onto.data != nullptr) STEPPE_EACH(p, P) STEPPE_EACH(v, V) sums[p][v] += STEPPE_CONST_LANES(onto.data + p * onto.step + v * kLanes);
  STEPPE_EACH(p, P) STEPPE_EACH(v, V) STEPPE_LANES(y + p * y_step + v * kLanes) = sums[p][v];
}

template <int V>
STEPPE_INSIDE void columns_of_rows(const Product& product, int64_t rows, Rows<const float> w, int64_t column, int64_t done = 0) {
  const auto blocks = (rows + kMostRows - 1) / kMostRows, most = (rows + blocks - 1) / blocks;
  for (int64_t at = 0; at < rows; at += most) {
    const auto* x = product.x.data + at * product.x.row;
    auto* y = product.y.data + at * product.y.step + column;
    const auto onto = product.onto.at(at, column);
    switch (std::min(most, rows - at)) {
#define STEPPE_CASE(P) case P: block<P, V>(product, x, w, y, onto, done); break;
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
    } else if (left == 1) {
      columns_of_rows<1>(product, rows, w, column);
    } else {
      const auto done = column + kLanes - out;
      columns_of_rows<1>(product, rows, {w.data - done, w.step}, column - done, done);
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

// P rows of x with C rows of W.
template <int P, int C>
STEPPE_INSIDE void dots(int64_t in, Rows<const float> x, Rows<const float> w, Rows<float> y, Onto onto) {
  Lanes sums[P][C] = {};
  int64_t k = 0;
  for (; k + kLanes <= in; k += kLanes) {
    Lanes columns[C];
    STEPPE_EACH(c, C) columns[c] = STEPPE_CONST_LANES(w.data + c * w.step + k);
    STEPPE_EACH(p, P) {
      const auto row = STEPPE_CONST_LANES(x.data + p * x.step + k);
      STEPPE_EACH(c, C) sums[p][c] += row * columns[c];
    }
  }
  STEPPE_EACH(p, P) STEPPE_EACH(c, C) {
    float sum = sum_of_lanes(sums[p][c]);
    for (auto rest = k; rest < in; rest++) sum += x.data[p * x.step + rest] * w.data[c * w.step + rest];
    y.data[p * y.step + c] = onto.data != nullptr ? onto.data[p * onto.step + c] + sum : sum;
  }
}

// A row of x with as many rows of W as a register has numbers. Each sum is taken as in `dots`.
STEPPE_INSIDE void dots_with_lanes(int64_t in, const float* x, Rows<const float> w, float* y, const float* onto) {
  Lanes sums[kLanes] = {};
  int64_t k = 0;
  for (; k + kLanes <= in; k += kLanes) {
    const auto row = STEPPE_CONST_LANES(x + k);
    STEPPE_EACH(c, 16) sums[c] += row * STEPPE_CONST_LANES(w.data + c * w.step + k);
  }
  exchange_all<8>(sums);
  exchange_all<4>(sums);
  exchange_all<2>(sums);
  exchange_all<1>(sums);
  STEPPE_EACH(lane, 8) sums[lane] += sums[lane + 8];
  STEPPE_EACH(lane, 4) sums[lane] += sums[lane + 4];
  STEPPE_EACH(lane, 2) sums[lane] += sums[lane + 2];
  auto sum = sums[0] + sums[1];
  for (; k < in; k++)
    for (int64_t c = 0; c < kLanes; c++) sum[c] += x[k] * w.data[c * w.step + k];
  STEPPE_LANES(y) = onto != nullptr ? STEPPE_CONST_LANES(onto) + sum : sum;
}

template <int C>
STEPPE_INSIDE void dots_of_rows(int64_t rows, int64_t in, Rows<const float> x, Rows<const float> w, Rows<float> y, Onto onto) {
  for (; rows > 0; rows -= kMostDotRows, x.data += kMostDotRows * x.step, y.data += kMostDotRows * y.step, onto = onto.at(kMostDotRows, 0)) {
    switch (std::min(rows, kMostDotRows)) {
#define STEPPE_CASE(P) case P: dots<P, C>(in, x, w, y, onto); break;
      STEPPE_CASE(1) STEPPE_CASE(2) STEPPE_CASE(3) STEPPE_CASE(4)
#undef STEPPE_CASE
    }
  }
}

STEPPE_FOR_ALL_PROCESSORS
void all_dots(int64_t rows, int64_t in, int64_t out, Rows<const float> x, Rows<const float> w, Rows<float> y, Onto onto) {
  for (; out >= kLanes; out -= kLanes, w.data += kLanes * w.step, y.data += kLanes, onto = onto.at(0, kLanes))
    for (int64_t i = 0; i < rows; i++) dots_with_lanes(in, x.data + i * x.step, w, y.data + i * y.step, onto.at(i, 0).data);
  if (out == 0) return;
  const auto blocks = (out + kMostDotColumns - 1) / kMostDotColumns, most = (out + blocks - 1) / blocks;
  for (int64_t column = 0; column < out; column += most) {
    const Rows<const float> from = {w.data + column * w.step, w.step};
    const Rows<float> to = {y.data + column, y.step};
    switch (std::min(most, out - column)) {
#define STEPPE_CASE(C) case C: dots_of_rows<C>(rows, in, x, from, to, onto.at(0, column)); break;
      STEPPE_CASE(1) STEPPE_CASE(2) STEPPE_CASE(3) STEPPE_CASE(4) STEPPE_CASE(5)
#undef STEPPE_CASE
    }
  }
}

// Sixteen rows to as many columns.
STEPPE_FOR_ALL_PROCESSORS
void transpose_lanes(int64_t columns, Rows<const float> from, Rows<float> to) {
  int64_t k = 0;
  for (; k + kLanes <= columns; k += kLanes) {
    Lanes lines[kLanes];
    STEPPE_EACH(c, 16) lines[c] = STEPPE_CONST_LANES(from.data + c * from.step + k);
    exchange_all<8>(lines);
    exchange_all<4>(lines);
    exchange_all<2>(lines);
    exchange_all<1>(lines);
    STEPPE_EACH(i, 16) STEPPE_LANES(to.data + (k + i) * to.step) = lines[i];
  }
  for (; k < columns; k++)
    for (int64_t c = 0; c < kLanes; c++) to.data[k * to.step + c] = from.data[c * from.step + k];
}

STEPPE_FOR_ALL_PROCESSORS
void copy_panel(int64_t in, Rows<const float> from, Rows<float> to) {
  for (int64_t k = 0; k < in; k++)
    STEPPE_EACH(v, 4) STEPPE_LANES(to.data + k * to.step + v * kLanes) = STEPPE_CONST_LANES(from.data + k * from.step + v * kLanes);
}

STEPPE_FOR_ALL_PROCESSORS
void copy_strips(int64_t in, int64_t rows, Rows<const float> from, float* to) {
  for (int64_t k = 0; k < in; k++)
    for (int64_t row = 0; row < rows; row += kMostRows) __builtin_memcpy(to + row * in + k * kMostRows, from.data + k * from.step + row, kMostRows * sizeof(float));
}

STEPPE_LOOPS_END

}  // namespace

void multiply(int64_t rows, int64_t in, int64_t out, Strided x, Rows<const float> w, Rows<float> y, Onto onto) {
  multiply_all({in, x, y, onto}, rows, out, w);
}

void multiply_by_rows(int64_t rows, int64_t in, int64_t out, Rows<const float> x, Rows<const float> w, Rows<float> y, Onto onto) {
  all_dots(rows, in, out, x, w, y, onto);
}

void fill_panel(int64_t in, int64_t width, Strided w, Rows<float> to) {
  if (w.column != 1) return transpose(width, in, {w.data, w.column}, to);
  if (width == kPanel) return copy_panel(in, {w.data, w.row}, to);
  for (int64_t k = 0; k < in; k++) std::copy_n(w.data + k * w.row, width, to.data + k * to.step);
}

void fill_strips(int64_t in, int64_t rows, Rows<const float> columns, float* to) {
  const auto whole = rows / kMostRows * kMostRows, left = rows - whole;
  copy_strips(in, whole, columns, to);
  for (int64_t k = 0; k < in && left > 0; k++) std::copy_n(columns.data + k * columns.step + whole, left, to + whole * in + k * left);
}

void transpose(int64_t rows, int64_t columns, Rows<const float> from, Rows<float> to) {
  int64_t i = 0;
  for (; i + kLanes <= rows; i += kLanes) transpose_lanes(columns, {from.data + i * from.step, from.step}, {to.data + i, to.step});
  for (; i < rows; i++)
    for (int64_t k = 0; k < columns; k++) to.data[k * to.step + i] = from.data[i * from.step + k];
}

}  // namespace steppe::row_product
