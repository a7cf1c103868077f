#pragma once
#include <algorithm>
#include <cstdint>

#include "lanes.h"

// Products with matrices that stay in a processor's cache, as a recurrent layer takes them at each time step: a block of results stands in
// registers, and nothing is brought into another order. On processors with AVX-512.
namespace steppe::row_product {

// Up to so many elements a matrix is faster multiplied here than by LibTorch, which brings it into another order first; and up to so many of
// those columns that registers hold sums of at a time.
constexpr int64_t kMostElements = 1 << 17, kMostInPanel = 1 << 16;
constexpr int64_t kMostRows = 6, kPanel = 4 * kLanes;  // rows and columns at a time: of the 32 registers, 6 × 4 are for sums

// Rows of a matrix, each of numbers that follow each other; `step` from one row to the next.
template <class T>
struct Rows {
  T* data;
  int64_t step;
};

// A matrix in any order: element (i, k) stands at i · row + k · column.
struct Strided {
  Strided(const float* data, int64_t row, int64_t column = 1) : data(data), row(row), column(column) {}
  Strided(Rows<const float> rows) : Strided(rows.data, rows.step) {}
  const float* data;
  int64_t row, column;
};

// What a product is added to: nothing, y itself, or a row, to each of y's.
struct Onto {
  static Onto nothing() { return {nullptr, 0}; }
  static Onto row(const float* row) { return {row, 0}; }
  static Onto itself(Rows<float> y) { return {y.data, y.step}; }
  static Onto itself_if(bool adds, Rows<float> y) { return adds ? itself(y) : nothing(); }
  Onto at(int64_t row, int64_t column) const { return data == nullptr ? *this : Onto{data + row * step + column, step}; }
  const float* data;
  int64_t step;
};

// y ← x W, added to something, with W [in, out]; out is at least kLanes. Each row's numbers do not depend on the others.
void multiply(int64_t rows, int64_t in, int64_t out, Strided x, Rows<const float> w, Rows<float> y, Onto onto);
// y ← x Wᵀ, added to something, with W [out, in], for few columns: each number is the sum of one row's products with another's.
void multiply_by_rows(int64_t rows, int64_t in, int64_t out, Rows<const float> x, Rows<const float> w, Rows<float> y, Onto onto);

inline void multiply(int64_t rows, int64_t in, int64_t out, Strided x, Rows<const float> w, Rows<float> y, bool adds) { multiply(rows, in, out, x, w, y, Onto::itself_if(adds, y)); }

// How columns are cut into panels: the last one takes along what would be less than a register.
struct PanelCut {
  int64_t columns;
  int64_t count() const { return (columns + kPanel - kLanes) / kPanel; }
  int64_t begin(int64_t panel) const { return panel * kPanel; }
  int64_t width(int64_t panel) const { return panel + 1 < count() ? kPanel : columns - begin(panel); }
  int64_t widest() const { return std::min(columns, kPanel + kLanes - 1); }
};
// Whether each thread that has a part of so many rows brings W's panels into order for itself, one after the other in memory of its own, rather than all of
// them together for all: then it waits for nobody, and its processor need not ask another's for the lines that it writes and reads, which takes longer
// than to write them twice. Of few rows it would do little else.
constexpr int64_t kRowsForOwnPanels = 64;
constexpr bool have_own_panels(int64_t rows, int64_t parts) { return parts == 1 || rows >= kRowsForOwnPanels * parts; }
// Writes a panel of W, or some columns of one, [in, width], whose first column is at w.data; elements of W follow each other in rows or in columns.
void fill_panel(int64_t in, int64_t width, Strided w, Rows<float> to);
// Writes strips of kMostRows rows of x, each [in, its rows], the last one of what is left. Column k of x lies at columns.data + k · columns.step.
void fill_strips(int64_t in, int64_t rows, Rows<const float> columns, float* to);

// to [columns, rows] ← from [rows, columns].
void transpose(int64_t rows, int64_t columns, Rows<const float> from, Rows<float> to);

}  // namespace steppe::row_product
