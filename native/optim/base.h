#pragma once
#include <ATen/core/Tensor.h>

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hyperparameters.h"

namespace steppe::optim {

using Tensors = std::vector<at::Tensor>;

// The parameters of one group that have a direction, of one dtype and on one device: what a fused kernel takes at once.
struct Part {
  const Hyperparameters& h;
  std::vector<size_t> index;  // which parameters
  Tensors w, d;               // d is only read: it may share its memory with something else
};

class Minimizer;

// A base optimizer: Opt(w, d) of the method's rule. Owns its state, one tensor per parameter and name.
class Base {
 public:
  explicit Base(size_t parameters) : parameters_(parameters) {}
  virtual ~Base() = default;

  // One step with the direction d in place of the gradient. Parameters whose d is undefined are left alone. `group_of`
  // gives each parameter's group. w and d agree in dtype, device and strides.
  void step(const Tensors& w, const Tensors& d, const std::vector<uint32_t>& group_of, const Groups& groups);

  // The same for weights on a device, with nothing that the CPU has to wait for: each group's `numbers` are tensors there
  // (float64), and where `bad` (a boolean) is true all stays as it is. Only where `is_ready`; afterwards, once it is known that the
  // step was a good one, `count_on_device`.
  void step_on_device(const Tensors& w, const Tensors& d, const std::vector<uint32_t>& group_of, const Groups& groups,
                      const std::vector<Tensors>& numbers, const at::Tensor& bad);
  void count_on_device(const std::vector<uint8_t>& has_gradient, const std::vector<uint32_t>& group_of, const Groups& groups);
  // Whether there is such a form, the state exists of all parameters that have a gradient, and all of a group have counted as
  // many steps.
  bool is_ready(const Tensors& w, const std::vector<uint8_t>& has_gradient, const std::vector<uint32_t>& group_of, const Groups& groups) const;
  virtual bool has_device_form() const { return false; }
  // Whether that is a fused kernel's, which leaves all as it is where `bad` (float32) is 1, and computes in float32 where weights are of
  // half precision. Else the update is of weights and state that are copies: what comes of a bad step is thrown away.
  virtual bool is_fused() const { return false; }
  // What the next update of parameter k reads as tensors: numbers made of hyperparameters and of counts of steps.
  virtual std::vector<double> numbers(const Hyperparameters& h, size_t /*k*/) const { return {h["lr"]}; }

  // State under PyTorch's names; an undefined tensor is state that does not exist yet.
  virtual std::vector<std::pair<std::string, Tensors*>> state();
  // The momentum that Momentum-SAM follows (first moment for Adam), or null.
  virtual const Tensors* momentum() const { return nullptr; }
  // Null for a base that takes one gradient a step. Else `step` is not called: the minimizer moves w.
  virtual Minimizer* minimizer() { return nullptr; }

 protected:
  virtual void update(const Part& part) = 0;
  // Whether that lets go of held kernel threads by itself, where LibTorch is to have them.
  virtual bool lets_go() const { return false; }
  virtual void update_on_device(const Part&, const Tensors& /*numbers*/, const at::Tensor& /*bad*/) {}
  // Counts a step of parameter k, after its update; counts are the CPU's.
  virtual void count(const Hyperparameters&, size_t /*k*/) {}
  // The states that an update with these hyperparameters reads.
  virtual std::vector<const Tensors*> states_read(const Hyperparameters&) const { return {}; }
  // State of this name for each parameter. For the initialisers of members: the reference stays good.
  Tensors& keep(const char* name) { return states_.emplace_back(name, Tensors(parameters_)).second; }

 private:
  size_t parameters_;
  std::deque<std::pair<std::string, Tensors>> states_;
};

// The base optimizer that lib/optim knows by this name ("adam").
std::unique_ptr<Base> make_base(const std::string& name, size_t parameters);

}  // namespace steppe::optim
