#include "recurrence.h"

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>

#include <algorithm>

#include "../loops/processors.h"

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

// y ← x W, or y + x W, by LibTorch.
void by_libtorch(int64_t rows, Rows<const float> x, const at::Tensor& w, Rows<float> y, bool adds) {
  auto to = at::from_blob(y.data, {rows, w.size(1)}, {y.step, 1}, w.options());
  const auto from = at::from_blob(const_cast<float*>(x.data), {rows, w.size(0)}, {x.step, 1}, w.options());
  HeldKernelThreads::let_go();
  if (adds) {
    to.addmm_(from, w);
  } else {
    at::mm_out(to, from, w);
  }
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
    return {i, 0, samples_, unit, units};
  }
  const auto first = samples_ * i / threads_;
  return {i, first, samples_ * (i + 1) / threads_ - first, 0, hidden_};
}

std::pair<int64_t, int64_t> Sharing::columns_of(int64_t i, int64_t columns) const {
  const auto lanes = columns / kLanes;
  const auto first = lanes * i / threads_ * kLanes;
  return {first, (i + 1 == threads_ ? columns : lanes * (i + 1) / threads_ * kLanes) - first};
}

UnitBlocks::UnitBlocks(const Sharing& sharing, int64_t hidden) : hidden(hidden), size(sharing.ours() ? kLanes : std::max<int64_t>(1, hidden)) {}

bool GatePanels::suit(const at::Tensor& w) {
  return w.size(1) * row_product::kPanel <= row_product::kMostInPanel && (w.numel() <= row_product::kMostElements || !mkl_is_fast());
}

void GatePanels::fill(const Sharing& sharing, int64_t i) const {
  if (panels_ == nullptr) return;
  const auto in = w_.size(1), row = w_.stride(0), column = w_.stride(1);
  const auto [unit, units] = sharing.units_of(i);
  const auto [first, end] = blocks_.of(unit, units);
  for (auto block = first; block < end; block++) {
    const auto begin = blocks_.begin(block), width = blocks_.width(block);
    auto* to = panels_ + 4 * begin * in;
    for (int64_t gate = 0; gate < 4; gate++) row_product::fill_panel(in, width, {w_.const_data_ptr<float>() + (gate * blocks_.hidden + begin) * row, column, row}, {to + gate * width, 4 * width});
  }
}

void GatePanels::multiply(int64_t rows, Rows<const float> x, int64_t block, Rows<float> y, bool adds) const {
  if (panels_ == nullptr) return by_libtorch(rows, x, w_.t(), y, adds);
  const auto width = 4 * blocks_.width(block);
  row_product::multiply(rows, w_.size(1), width, x, {panels_ + 4 * blocks_.begin(block) * w_.size(1), width}, y, adds);
}

int64_t StatePanels::floats(const at::Tensor& u, const Sharing& sharing) { return !sharing.ours() || u.numel() <= kMostInPlace ? 0 : u.numel(); }

void StatePanels::fill(int64_t i) const {
  if (panels_ == nullptr) return;
  const auto in = u_.size(0);
  const auto [unit, units] = sharing_.units_of(i);
  const row_product::PanelCut cut{units};
  for (int64_t panel = 0; panel < cut.count(); panel++) {
    const auto column = unit + cut.begin(panel), width = cut.width(panel);
    row_product::fill_panel(in, width, {u_.const_data_ptr<float>() + column * u_.stride(1), u_.stride(0), u_.stride(1)}, {panels_ + column * in, width});
  }
}

void StatePanels::multiply(const Part& part, const float* x, float* y) const {
  const Rows<const float> from = {x + part.sample * u_.size(0), u_.size(0)};
  if (!sharing_.ours()) return by_libtorch(part.samples, from, u_, {y, part.units}, /*adds=*/false);
  if (panels_ == nullptr || sharing_.by_units()) return multiply(part, part.unit, part.units, from, y);
  for (int64_t i = 0; i < sharing_.threads(); i++) {
    const auto [unit, units] = sharing_.units_of(i);
    multiply(part, unit, units, from, y + unit);
  }
}

// For some of a part's units.
void StatePanels::multiply(const Part& part, int64_t unit, int64_t units, Rows<const float> x, float* y) const {
  const auto in = u_.size(0);
  const auto for_columns = [&](int64_t column, int64_t width, Rows<const float> w) {
    for (int64_t k = 0; k < in; k += kDepth)
      row_product::multiply(part.samples, std::min(kDepth, in - k), width, {x.data + k, x.step}, {w.data + k * w.step, w.step}, {y + column, part.units}, k > 0);
  };
  if (panels_ == nullptr) return for_columns(0, units, {u_.const_data_ptr<float>() + unit, u_.stride(0)});
  const row_product::PanelCut cut{units};
  for (int64_t panel = 0; panel < cut.count(); panel++) {
    const auto column = cut.begin(panel), width = cut.width(panel);
    for_columns(column, width, {panels_ + (unit + column) * in, width});
  }
}

void fetch(const Sharing& sharing, const Part& part, int64_t floats, const float* x) {
  if (!sharing.by_units() || part.samples * floats > kMostFetched) return;
  for (int64_t k = 0; k < floats; k += kLanes)
    for (int64_t r = 0; r < part.samples; r++) __builtin_prefetch(x + r * floats + k);
}

}  // namespace steppe::recurrence
