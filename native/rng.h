#pragma once
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <c10/util/FunctionRef.h>

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

// What the passes of one shard draw from the CPU's default generator, while others draw from it: what they would if the shards came one after the
// other. The first pass draws in its turn (BufferOrder), later ones draw the same numbers once more.
class SharedNoise {
 public:
  void begin_pass();
  bool is_first_pass() const { return passes_ == 1; }
  void draw(c10::function_ref<void()> operators);
  // The generator's state once the first pass had drawn, as far as it came; undefined where it drew nothing.
  const at::Tensor& after_first_pass() const { return after_; }

 private:
  int passes_ = 0;
  at::Tensor start_, now_, after_;
};

}  // namespace steppe
