#include "recurrence.h"

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>

#include <algorithm>

#include "../../views.h"
#include "../loops/processors.h"
#include "../loops/row_product.h"

namespace steppe::recurrence {
namespace {

constexpr int64_t kMostForLoops = 1 << 22;  // elements of the recurrence's matrix: beyond, a pass is as long as the matrix takes from memory
constexpr int64_t kMostForOne = 1 << 19;    // elements of a matrix that a thread may read whole in each time step
constexpr int64_t kLeastRows = 16;          // of all time steps
constexpr int64_t kFewSamples = 4;          // for a thread
constexpr int64_t kUnitsGrain = 1 << 16, kSamplesGrain = 1 << 20;  // multiplications for a thread: in a time step, in all
constexpr int64_t kMostInPlace = 1 << 16;   // elements
constexpr int64_t kDepth = 1024;            // rows of a panel that stay in the second cache
constexpr int64_t kMostFetched = 1 << 13;   // elements that the first cache holds

// to ← [from] W, or to + from W, by LibTorch.
void by_libtorch(int64_t rows, const float* from, const at::Tensor& w, float* to, bool adds) {
  auto y = at::from_blob(to, {rows, w.size(1)}, w.options());
  const auto x = at::from_blob(const_cast<float*>(from), {rows, w.size(0)}, w.options());
  HeldKernelThreads::let_go();
  if (adds) {
    y.addmm_(x, w);
  } else {
    at::mm_out(y, x, w);
  }
}

// Rows that other threads have just written: all at once, not as they are read.
void fetch(int64_t rows, int64_t floats, const float* x) {
  for (int64_t k = 0; k < floats; k += kLanes)
    for (int64_t r = 0; r < rows; r++) __builtin_prefetch(x + r * floats + k);
}

}  // namespace

Sharing::Sharing(int64_t samples, int64_t hidden, int64_t steps) : samples_(samples), hidden_(hidden) {
  const auto matrix = 4 * hidden * hidden;
  ours_ = has_avx512() && hidden >= kLanes && matrix <= kMostForLoops && samples * steps >= kLeastRows;
  if (!ours_ || is_kernel_thread()) return;
  const auto most = kernel_thread_count();
  const auto by_units = std::min({most, hidden / kLanes, samples * matrix / kUnitsGrain});
  by_units_ = (samples < kFewSamples * most || matrix > kMostForOne) && by_units > 1;
  threads_ = by_units_ ? by_units : std::clamp<int64_t>(samples * matrix * steps / kSamplesGrain, 1, std::min(most, samples));
}

Part Sharing::part(int64_t i) const {
  if (by_units_) {
    const auto [unit, units] = units_of(i);
    return {0, samples_, unit, units};
  }
  const auto first = samples_ * i / threads_;
  return {first, samples_ * (i + 1) / threads_ - first, 0, hidden_};
}

std::pair<int64_t, int64_t> Sharing::units_of(int64_t i) const {
  const auto lanes = hidden_ / kLanes;
  const auto first = lanes * i / threads_ * kLanes;
  return {first, (i + 1 == threads_ ? hidden_ : lanes * (i + 1) / threads_ * kLanes) - first};
}

Panels::Panels(const at::Tensor& w, bool transposed, float* memory)
    : matrix_(transposed ? view_of(w, {w.size(1), w.size(0)}, {w.stride(1), w.stride(0)}, 0) : w),
      in_(matrix_.size(0)), gates_(transposed ? 4 : 1), hidden_(matrix_.size(1) / gates_), w_(w.const_data_ptr<float>()), panels_(memory) {}

int64_t Panels::floats(const at::Tensor& u) { return u.numel() <= kMostInPlace ? 0 : u.numel(); }

bool Panels::suit(const at::Tensor& w) { return w.numel() <= row_product::kMostElements && w.size(1) * row_product::kPanel <= row_product::kMostInPanel; }

template <class Panel>
void Panels::each(int64_t unit, int64_t units, const Panel& panel) const {
  const row_product::PanelCut cut{units};
  for (int64_t gate = 0; gate < gates_; gate++)
    for (int64_t i = 0; i < cut.count(); i++) panel(gate * hidden_ + unit + cut.begin(i), cut.width(i));
}

void Panels::fill(int64_t unit, int64_t units) const {
  const auto row = matrix_.stride(0), column_step = matrix_.stride(1);
  each(unit, units, [&](int64_t column, int64_t width) { row_product::fill_panel(in_, width, {w_ + column * column_step, row, column_step}, panels_ + column * in_); });
}

void Panels::multiply(const Rows& rows, const float* x, float* y, bool adds, int64_t unit, int64_t units) const {
  const auto out = gates_ * hidden_;
  const auto each_step = [&](int64_t column, int64_t width, row_product::Rows<const float> w) {
    for (int64_t k = 0; k < in_; k += kDepth)
      for (int64_t s = 0; s < rows.steps; s++)
        row_product::multiply(rows.count, std::min(kDepth, in_ - k), width, {x + s * rows.x_step + k, in_}, {w.data + k * w.step, w.step},
                              {y + s * rows.y_step + column, out}, adds || k > 0);
  };
  if (in_place()) return each_step(unit, units, {w_ + unit, hidden_});
  each(unit, units, [&](int64_t column, int64_t width) { each_step(column, width, {panels_ + column * in_, width}); });
}

void fill(const Sharing& sharing, const Panels& panels, int64_t i) {
  if (!sharing.ours() || panels.in_place()) return;
  const auto [first, count] = sharing.units_of(i);
  panels.fill(first, count);
}

namespace {

void multiply_rows(const Sharing& sharing, const Part& part, const Panels& panels, const Rows& rows, const float* x, float* y, bool adds) {
  if (sharing.by_units() || panels.in_place()) return panels.multiply(rows, x, y, adds, part.unit, part.units);
  for (int64_t i = 0; i < sharing.threads(); i++) {
    const auto [first, count] = sharing.units_of(i);
    panels.multiply(rows, x, y, adds, first, count);
  }
}

}  // namespace

void multiply(const Sharing& sharing, const Part& part, const Panels& panels, const float* x, float* y, bool adds) {
  const auto in = panels.matrix().size(0);
  const auto* from = x + part.sample * in;
  auto* to = y + part.sample * panels.matrix().size(1);
  if (!sharing.ours()) return by_libtorch(part.samples, from, panels.matrix(), to, adds);
  if (sharing.by_units() && part.samples * in <= kMostFetched) fetch(part.samples, in, from);
  multiply_rows(sharing, part, panels, {part.samples}, from, to, adds);
}

void multiply_all(const Sharing& sharing, const Part& part, const Panels& panels, int64_t steps, int64_t samples, const float* x, float* y) {
  const auto in = panels.matrix().size(0), out = panels.matrix().size(1);
  if (part.samples == samples) return multiply_rows(sharing, part, panels, {steps * samples}, x, y, /*adds=*/false);
  multiply_rows(sharing, part, panels, {part.samples, steps, samples * in, samples * out}, x + part.sample * in, y + part.sample * out, /*adds=*/false);
}

}  // namespace steppe::recurrence
