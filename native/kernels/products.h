#pragma once
#include <optional>
#include <utility>

#include "blocked_products.h"
#include "layouts.h"

namespace steppe {

namespace products {

// y ← x W, or y + x W, with x [rows, in] and W [in, out] in any order, y [rows, out] contiguous. By loops of ours where they are the faster way, else by
// LibTorch. Numbers do not depend on the number of threads where the loops are ours. They use the threads' own scratch and CallMemory (scratch.h).
void multiply(at::Tensor& y, const at::Tensor& x, const at::Tensor& w, bool adds = false);
// y ← x W + row, in each of y's rows.
void multiply_onto_row(at::Tensor& y, const at::Tensor& x, const at::Tensor& w, const at::Tensor& row);
at::Tensor product(const at::Tensor& x, const at::Tensor& w);
// The left operand of several products, each of some of its columns: where it has to be brought into another order, that is done once for all.
class LeftOperand {
 public:
  explicit LeftOperand(at::Tensor x) : x_(std::move(x)) {}
  // x[:, first : first + in] W, with W [in, out].
  at::Tensor product(int64_t first, const at::Tensor& w);

 private:
  const at::Tensor x_;
  std::optional<blocked_products::Strips> strips_;
};
// Whether row_product::multiply gives x W's numbers, for some of x's rows and W's columns as for all, with W as it lies.
bool multiplies_as_it_lies(const at::Tensor& x, const at::Tensor& w);

}  // namespace products

// Replaces products of two matrices of float32 on the CPU (aten::mm, aten::addmm with a row that is added) where one of them stays in a
// processor's cache, on processors with AVX-512: what is multiplied there need not be brought into another order first, which a matrix library
// does anew in each call. Results agree with LibTorch's up to rounding. `layouts`: by register.
void replace_products(Program& program, const Layouts& layouts);

}  // namespace steppe
