#pragma once
#include <c10/core/Scalar.h>

#include "base.h"

// What the rules have in common.
namespace steppe::optim {

using Scalars = std::vector<at::Scalar>;

// The state of a part's parameters, each laid out as its parameter is, filled with `initial` where there is none yet. State
// that came from elsewhere (a file, or the model as it was before it moved to another device or dtype) is converted: the
// fused kernels read it as plain memory.
Tensors like_w(Tensors& state, const Part& part, double initial = 0);

// A tensor of this shape, dtype and device in the place of `state`: as it is, converted, or new and zero.
const at::Tensor& fitted(at::Tensor& state, at::IntArrayRef sizes, at::ScalarType dtype, at::Device device);

// A number that is kept as PyTorch keeps it, as a float32 tensor of no dimensions in CPU memory.
float& number(at::Tensor& state, float initial = 0);

// ±d + λw: the gradient that most rules begin with. d itself where there is nothing to change.
Tensors gradient(const Part& part, double weight_decay);

// The L2 norm of each tensor, accumulated in at least float32.
std::vector<double> norms(const Tensors& x);

// What updates have in common that take their numbers as they come: one, one per parameter, or one as a tensor.
//   x ← x + a·y,  x ← x + a·y/z,  x ← a·x,  x/a,  x ← x/a,  x ← x + a·(y − x)
void add_(const Tensors& x, const Tensors& y, double a);
void add_(const Tensors& x, const Tensors& y, const Scalars& a);
void add_(const Tensors& x, const Tensors& y, const at::Tensor& a);
void add_quotient_(const Tensors& x, const Tensors& y, const Tensors& z, double a);
void add_quotient_(const Tensors& x, const Tensors& y, const Tensors& z, const Scalars& a);
void add_quotient_(const Tensors& x, const Tensors& y, const Tensors& z, const at::Tensor& a);
void scale_(const Tensors& x, double a);
void scale_(const Tensors& x, const Scalars& a);
void scale_(const Tensors& x, const at::Tensor& a);
Tensors divided(const Tensors& x, const Scalars& a);
Tensors divided(const Tensors& x, const at::Tensor& a);
void divide_(const Tensors& x, const Scalars& a);
void divide_(const Tensors& x, const at::Tensor& a);
void approach_(const Tensors& x, const Tensors& y, const Scalars& a);
void approach_(const Tensors& x, const Tensors& y, const at::Tensor& a);

// The L2 norms of the tensors, of whatever dtypes, [their number] in float64, where they are.
at::Tensor norms_there(const Tensors& x);
// x_k ← a_k x_k
void scale_each_(const Tensors& x, const at::Tensor& a);
// √n_k of each tensor's number of elements, filled in where the tensors are.
at::Tensor root_sizes_there(const Tensors& x);

// The numbers of an update, each as one for each parameter of the part.
std::vector<Scalars> numbers_of(const Base& base, const Part& part);
// A number that is kept (see `number`) without making it.
double kept(const at::Tensor& state, double otherwise);

// The elements of `all` at these places.
Tensors pick(const Tensors& all, const std::vector<size_t>& index);

}  // namespace steppe::optim
