#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "hyperparameters.h"

namespace steppe::optim {

using Tensors = std::vector<at::Tensor>;

// A base optimizer: Opt(w, d) of the method's rule. Owns its state, one tensor per parameter and name.
class Base {
 public:
  virtual ~Base() = default;

  // One step with the direction d in place of the gradient. Parameters whose d is undefined are left alone. `group_of`
  // gives each parameter's group. w and d agree in dtype, device and strides.
  virtual void step(const Tensors& w, const Tensors& d, const std::vector<uint32_t>& group_of, const Groups& groups) = 0;

  // State under PyTorch's names; an undefined tensor is state that does not exist yet.
  virtual std::vector<std::pair<std::string, Tensors*>> state() = 0;
  // The momentum that Momentum-SAM follows (first moment for Adam), or null.
  virtual const Tensors* momentum() const { return nullptr; }
};

// "sgd", "adam", "adamw".
std::unique_ptr<Base> make_base(const std::string& name, size_t parameters);

// The parameters of one group that have a direction, in the form that the fused kernels take.
struct GroupSlice {
  std::vector<size_t> index;
  Tensors w, d;
};
GroupSlice slice(const Tensors& w, const Tensors& d, const std::vector<uint32_t>& group_of, uint32_t group);
Tensors pick(const Tensors& all, const std::vector<size_t>& index);

}  // namespace steppe::optim
