#include "products.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <utility>

#include "loops/parallel.h"
#include "loops/processors.h"
#include "loops/row_product.h"
#include "loops/scratch.h"
#include "results.h"

namespace steppe {
namespace products {
namespace {

using row_product::Onto;

constexpr int64_t kLeastWork = 1 << 10;   // multiplications
constexpr int64_t kGrain = 1 << 17, kGrainAtHand = 1 << 15;  // multiplications for a thread: where others are to be woken, where they are likely awake
constexpr int64_t kLeastRows = 8;         // for which W is transposed rather than each of its columns multiplied with each of them
constexpr int64_t kTransposed = 1 << 12;  // elements for a thread

struct Matrix {
  int64_t rows, columns, row, column;  // element (i, k) stands at i · row + k · column
  static Matrix of(c10::IntArrayRef sizes, c10::IntArrayRef strides) { return {sizes[0], sizes[1], strides[0], strides[1]}; }
  bool has_rows() const { return column == 1 && (rows == 1 || row >= columns); }
  bool has_columns() const { return row == 1 && column >= rows; }
};

enum class Way : uint8_t { libtorch, rows, transposed, dots, blocked };

Way choose(const Matrix& x, const Matrix& w) {
  const auto in = w.rows, out = w.columns, work = x.rows * in * out;
  if (!has_avx512() || work < kLeastWork || x.row <= 0 || x.column <= 0) return Way::libtorch;
  const bool in_order = (x.has_rows() || x.has_columns()) && (w.has_rows() || w.has_columns());
  const auto large = in_order && blocked_products::suit(x.rows, in, out) ? Way::blocked : Way::libtorch;
  if (in * out > row_product::kMostElements) return large;
  if (out < kLanes) return w.has_columns() && x.has_rows() && in >= 4 * kLanes ? Way::dots : Way::libtorch;
  if (in * std::min(out, 4 * kLanes) > row_product::kMostInPanel) return large;
  if (w.has_rows()) return Way::rows;
  if (!w.has_columns()) return Way::libtorch;
  return x.rows < kLeastRows && x.has_rows() && in >= kLanes ? Way::dots : Way::transposed;
}

// W [in, out], whose columns follow each other, in rows.
void put_in_rows(const at::Tensor& w, const Matrix& of, float* to) {
  const auto* from = w.const_data_ptr<float>();
  parallel_for(0, (of.columns + kLanes - 1) / kLanes, kTransposed / (of.rows * kLanes) + 1, [&](int64_t begin, int64_t end) {
    const auto first = begin * kLanes, last = std::min(of.columns, end * kLanes);
    row_product::transpose(last - first, of.rows, {from + first * of.column, of.column}, {to + first, of.columns});
  });
}

// y ← x W for some rows of x, added to something.
void multiply_in_panels(int64_t rows, const Matrix& of_w, row_product::Strided x, const float* w, row_product::Rows<float> y, Onto onto) {
  const row_product::PanelCut panels{of_w.columns};
  PartMemory memory(of_w.rows * panels.widest());
  for (int64_t panel = 0; panel < panels.count(); panel++) {
    const auto column = panels.begin(panel), width = panels.width(panel);
    row_product::fill_panel(of_w.rows, width, {w + column * of_w.column, of_w.row, of_w.column}, {memory.data(), width});
    row_product::multiply(rows, of_w.rows, width, x, {memory.data(), width}, {y.data + column, y.step}, onto.at(0, column));
  }
}

void multiply(Way way, at::Tensor& y, const at::Tensor& x, const at::Tensor& w, Onto onto) {
  const auto of_x = Matrix::of(x.sizes(), x.strides()), of_w = Matrix::of(w.sizes(), w.strides());
  const auto in = of_w.rows, out = of_w.columns;
  if (way == Way::blocked) {
    const row_product::Strided left(x.const_data_ptr<float>(), of_x.row, of_x.column), right(w.const_data_ptr<float>(), of_w.row, of_w.column);
    return blocked_products::multiply(of_x.rows, in, out, left, right, {y.mutable_data_ptr<float>(), out}, onto);
  }
  const auto grain = (kernel_threads_are_at_hand() ? kGrainAtHand : kGrain) / (in * out) + 1;
  const bool in_panels = way == Way::transposed && row_product::have_own_panels(of_x.rows, parallel_parts(of_x.rows, grain));
  const bool turns = way == Way::transposed && !in_panels;
  CallMemory memory(turns ? in * out : 0);
  auto* in_rows = memory.take(turns ? in * out : 0);
  if (turns) put_in_rows(w, of_w, in_rows);
  const auto *left = x.const_data_ptr<float>(), *right = turns ? in_rows : w.const_data_ptr<float>();
  const auto step = turns ? out : of_w.row;
  auto* to = y.mutable_data_ptr<float>();
  parallel_for(0, of_x.rows, grain, [&](int64_t begin, int64_t end) {
    const auto* from = left + begin * of_x.row;
    const row_product::Rows<float> rows = {to + begin * out, out};
    if (way == Way::dots) {
      row_product::multiply_by_rows(end - begin, in, out, {from, of_x.row}, {right, of_w.column}, rows, onto.at(begin, 0));
    } else if (in_panels) {
      multiply_in_panels(end - begin, of_w, {from, of_x.row, of_x.column}, right, rows, onto.at(begin, 0));
    } else {
      row_product::multiply(end - begin, in, out, {from, of_x.row, of_x.column}, {right, step}, rows, onto.at(begin, 0));
    }
  });
}

Way choose(const at::Tensor& x, const at::Tensor& w) { return choose(Matrix::of(x.sizes(), x.strides()), Matrix::of(w.sizes(), w.strides())); }

// aten::mm(x, W)
void mm(const c10::OperatorHandle&, torch::jit::Stack& stack) { give(stack, 2, product(stack.end()[-2].toTensor(), stack.end()[-1].toTensor())); }

// aten::addmm(row [out], x, W, beta 1, alpha 1)
void addmm(const c10::OperatorHandle& op, torch::jit::Stack& stack) {
  const auto &row = stack.end()[-5].toTensor(), &x = stack.end()[-4].toTensor(), &w = stack.end()[-3].toTensor();
  const auto way = choose(x, w);
  if (way == Way::libtorch) {
    HeldKernelThreads::let_go();
    return op.callBoxed(stack);
  }
  auto y = new_tensor({x.size(0), w.size(1)});
  multiply(way, y, x, w, Onto::row(row.const_data_ptr<float>()));
  give(stack, 5, std::move(y));
}

// --- Which products ---

std::optional<Matrix> matrix_at(const Program::Operand& operand, const Layouts& layouts) {
  const auto* layout = layout_of(operand, layouts);
  if (layout == nullptr || !layout->strided || layout->dtype != at::kFloat || layout->sizes.size() != 2) return std::nullopt;
  return Matrix::of(layout->sizes, layout->strides);
}

bool is_row(const Program::Operand& operand, int64_t length, const Layouts& layouts) {
  const auto* layout = layout_of(operand, layouts);
  return layout != nullptr && layout->dtype == at::kFloat && layout->sizes == std::vector{length} && is_contiguous(*layout);
}

}  // namespace

void multiply(at::Tensor& y, const at::Tensor& x, const at::Tensor& w, bool adds) {
  const auto way = choose(x, w);
  if (way != Way::libtorch) return multiply(way, y, x, w, Onto::itself_if(adds, {y.mutable_data_ptr<float>(), y.size(1)}));
  HeldKernelThreads::let_go();
  if (adds) {
    y.addmm_(x, w);
  } else {
    at::mm_out(y, x, w);
  }
}

void multiply_onto_row(at::Tensor& y, const at::Tensor& x, const at::Tensor& w, const at::Tensor& row) {
  const auto way = choose(x, w);
  if (way != Way::libtorch) return multiply(way, y, x, w, Onto::row(row.const_data_ptr<float>()));
  HeldKernelThreads::let_go();
  at::addmm_out(y, row, x, w);
}

at::Tensor product(const at::Tensor& x, const at::Tensor& w) {
  auto y = new_tensor({x.size(0), w.size(1)});
  multiply(y, x, w);
  return y;
}

at::Tensor LeftOperand::product(int64_t first, const at::Tensor& w) {
  const auto x = view_of(x_, {x_.size(0), w.size(0)}, x_.strides(), first * x_.stride(1));
  if (choose(x, w) != Way::blocked || x.stride(1) == 1) return products::product(x, w);
  const row_product::Strided left(x_.const_data_ptr<float>(), x_.stride(0), x_.stride(1)), right(w.const_data_ptr<float>(), w.stride(0), w.stride(1));
  if (!strips_.has_value()) strips_.emplace(x_.size(0), x_.size(1), left);
  auto y = new_tensor({x.size(0), w.size(1)});
  blocked_products::multiply(*strips_, first, w.size(0), w.size(1), right, {y.mutable_data_ptr<float>(), y.size(1)}, Onto::nothing());
  return y;
}

bool multiplies_as_it_lies(const at::Tensor& x, const at::Tensor& w) { return choose(x, w) == Way::rows; }

}  // namespace products

void replace_products(Program& program, const Layouts& layouts) {
  using namespace products;
  for (auto& instruction : program.instructions) {
    const auto name = c10::toString(instruction.op.operator_name());
    const auto& inputs = instruction.inputs;
    const bool adds = name == "aten::addmm";
    if (!adds && name != "aten::mm") continue;
    const auto x = matrix_at(inputs[adds ? 1 : 0], layouts), w = matrix_at(inputs[adds ? 2 : 1], layouts);
    if (!x.has_value() || !w.has_value() || choose(*x, *w) == Way::libtorch) continue;
    if (!adds) {
      instruction.kernel = mm;
    } else if (is_row(inputs[0], w->columns, layouts) && is_one(inputs[3]) && is_one(inputs[4])) {
      instruction.kernel = addmm;
    }
  }
}

}  // namespace steppe
