#pragma once
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

namespace steppe {

// The default generators that a computation on these tensors draws from: the CPU's, and their devices'.
std::vector<at::Generator> default_generators(const std::vector<at::Tensor>& tensors);

at::Tensor generator_state(at::Generator& generator);
void set_generator_state(at::Generator& generator, const at::Tensor& state);

// The state of several generators at one moment, to return to.
class NoiseState {
 public:
  explicit NoiseState(const std::vector<at::Tensor>& tensors) : generators_(default_generators(tensors)) {}
  void save();
  void restore() const;
  void forget() { states_.clear(); }
  const std::vector<at::Tensor>& states() const { return states_; }
  // That of the device's generator; undefined where it is none of these, or nothing was saved.
  at::Tensor state_on(at::Device device) const;
  // Throws unless there are as many states as generators.
  void set(std::vector<at::Tensor> states);
  bool saved() const { return !states_.empty(); }

 private:
  std::vector<at::Generator> generators_;
  std::vector<at::Tensor> states_;
};

}  // namespace steppe
