#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

// Loops over the elements of many tensors as if they were one, on all kernel threads: of most tensors LibTorch's kernel takes longer to find
// than to run, and one thread alone does not use the memory's speed. Results do not depend on the number of threads.
namespace steppe::sam::elements {

// Whether the loops are for this tensor: float32 or float64 on the CPU, its elements dense in memory.
bool fits(const at::Tensor& x);
bool fits(const at::Tensor& out, const at::Tensor& w, const at::Tensor& d);

// Σ x² over all elements of all of them, accumulated in float64.
double square_sum(const std::vector<at::Tensor>& x);

// out ← b w + a d; out may be w.
struct Sum {
  at::Tensor out, w, d;
  double a, b = 1;
};
void add(const std::vector<Sum>& sums);

}  // namespace steppe::sam::elements
