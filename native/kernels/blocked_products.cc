#include "blocked_products.h"

#include <algorithm>

#include "../step_tensors.h"
#include "loops/parallel.h"
#include "loops/processors.h"
#include "loops/scratch.h"

namespace steppe::blocked_products {
namespace {

using row_product::Onto;
using row_product::PanelCut;
using row_product::Rows;
using row_product::Strided;

constexpr int64_t kStrip = row_product::kMostRows;
constexpr int64_t kDepth = 1024;  // rows of a panel that stay in the second cache
constexpr int64_t kTogether = 16;  // strips that are filled together, so that what is read lies together
constexpr int64_t kLeastRows = 48, kLeastColumns = 2 * kLanes;
constexpr int64_t kLeastWork = 1 << 22, kGrain = 1 << 20;  // multiplications: in all, for a thread
constexpr int64_t kPackingGrain = 1 << 15;                 // elements for a thread

at::Tensor memory(int64_t floats) { return new_tensor({floats}); }

// W's panels, each [in, width].
void pack_panels(int64_t in, const PanelCut& panels, const Strided& w, float* to) {
  parallel_for(0, panels.count(), kPackingGrain / (in * row_product::kPanel) + 1, [&](int64_t first, int64_t last) {
    for (auto panel = first; panel < last; panel++) {
      const auto column = panels.begin(panel);
      row_product::fill_panel(in, panels.width(panel), {w.data + column * w.column, w.row, w.column}, {to + column * in, panels.width(panel)});
    }
  });
}

// Strips of x, whose columns lie one after the other, each [in, rows of the strip].
void pack_strips(int64_t rows, int64_t in, const Strided& x, float* to) {
  const auto groups = (rows + kStrip * kTogether - 1) / (kStrip * kTogether);
  parallel_for(0, groups, kPackingGrain / (in * kStrip * kTogether) + 1, [&](int64_t first, int64_t last) {
    for (auto group = first; group < last; group++) {
      const auto row = group * kStrip * kTogether;
      row_product::fill_strips(in, std::min(kStrip * kTogether, rows - row), {x.data + row, x.column}, to + row * in);
    }
  });
}

// Cuts the product into blocks, of W brought into panels: of each panel, kDepth rows of W at a time, with some of x's rows. For each block it
// calls of_rows(begin, end, k, multiply), x's rows from begin to end and W's from k on; that calls multiply(row, count, x) until all of its rows are
// done, each time for `count` rows from `row` on, with x as it stands there, from column k on.
template <class OfRows>
void each_block(int64_t rows, int64_t in, int64_t out, const Strided& w, Rows<float> y, Onto onto, const OfRows& of_rows) {
  const PanelCut panels{out};
  const auto strips = (rows + kStrip - 1) / kStrip, grain = kGrain / (kStrip * in * out) + 1;
  const bool own = row_product::have_own_panels(rows, parallel_parts(strips, grain));
  at::Tensor of_w;
  if (!own) {
    of_w = memory(in * out);
    pack_panels(in, panels, w, of_w.mutable_data_ptr<float>());
  }
  const auto* packed = own ? nullptr : of_w.const_data_ptr<float>();
  parallel_for(0, strips, grain, [&](int64_t first, int64_t last) {
    const auto begin = first * kStrip, end = std::min(rows, last * kStrip);
    PartMemory of_part(own ? std::min(kDepth, in) * panels.widest() : 0);
    for (int64_t k = 0; k < in; k += kDepth) {
      const auto depth = std::min(kDepth, in - k);
      for (int64_t panel = 0; panel < panels.count(); panel++) {
        const auto column = panels.begin(panel), width = panels.width(panel);
        const auto to = [&](int64_t row) { return Rows<float>{y.data + row * y.step + column, y.step}; };
        const auto base = [&](int64_t row) { return k > 0 ? Onto::itself(to(row)) : onto.at(row, column); };
        if (own) row_product::fill_panel(depth, width, {w.data + k * w.row + column * w.column, w.row, w.column}, {of_part.data(), width});
        const auto* of_panel = own ? of_part.data() : packed + column * in + k * width;
        of_rows(begin, end, k, [&](int64_t row, int64_t count, const Strided& x) {
          row_product::multiply(count, depth, width, x, {of_panel, width}, to(row), base(row));
        });
      }
    }
  });
}

}  // namespace

bool suit(int64_t rows, int64_t in, int64_t out) {
  return has_avx512() && !mkl_is_fast() && rows >= kLeastRows && in >= kLanes && out >= kLeastColumns && rows * in * out >= kLeastWork;
}

Strips::Strips(int64_t rows, int64_t in, Strided x) : rows_(rows), in_(in), memory_(memory(rows * in)), data_(memory_.const_data_ptr<float>()) {
  pack_strips(rows, in, x, memory_.mutable_data_ptr<float>());
}

void multiply(const Strips& x, int64_t first, int64_t in, int64_t out, Strided w, Rows<float> y, Onto onto) {
  each_block(x.rows(), in, out, w, y, onto, [&](int64_t begin, int64_t end, int64_t k, const auto& multiply_block) {
    for (auto row = begin; row < end; row += kStrip) {
      const auto count = std::min(kStrip, x.rows() - row);
      multiply_block(row, count, x.at(row, count, first + k));
    }
  });
}

void multiply(int64_t rows, int64_t in, int64_t out, Strided x, Strided w, Rows<float> y, Onto onto) {
  if (x.column != 1) return multiply(Strips(rows, in, x), 0, in, out, w, y, onto);
  each_block(rows, in, out, w, y, onto, [&](int64_t begin, int64_t end, int64_t k, const auto& multiply_block) {
    multiply_block(begin, end - begin, {x.data + begin * x.row + k, x.row});
  });
}

}  // namespace steppe::blocked_products
