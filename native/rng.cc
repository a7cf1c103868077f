#include "rng.h"

#include <ATen/Context.h>

#include <algorithm>
#include <mutex>
#include <string>

#include "errors.h"

namespace steppe {

std::vector<at::Generator> default_generators(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Device> devices{at::Device(at::kCPU)};
  for (const auto& tensor : tensors) {
    const auto device = tensor.device();
    if (device.is_cpu() || device.is_meta()) continue;
    if (std::find(devices.begin(), devices.end(), device) == devices.end()) devices.push_back(device);
  }
  std::vector<at::Generator> generators;
  for (const auto& device : devices) generators.push_back(at::globalContext().defaultGenerator(device));
  return generators;
}

at::Tensor generator_state(at::Generator& generator) {
  std::lock_guard lock(generator.mutex());
  return generator.get_state();
}

void set_generator_state(at::Generator& generator, const at::Tensor& state) {
  std::lock_guard lock(generator.mutex());
  generator.set_state(state);
}

void NoiseState::save() {
  states_.clear();
  for (auto& generator : generators_) states_.push_back(generator_state(generator));
}

void NoiseState::set(std::vector<at::Tensor> states) {
  if (states.size() != generators_.size()) {
    fail_expected(std::to_string(generators_.size()) + " generator states", "the state of an open window", std::to_string(states.size()));
  }
  states_ = std::move(states);
}

void NoiseState::restore() const {
  for (size_t i = 0; i < states_.size(); i++) {
    auto generator = generators_[i];
    set_generator_state(generator, states_[i]);
  }
}

at::Tensor NoiseState::state_on(at::Device device) const {
  for (size_t i = 0; i < states_.size(); i++)
    if (generators_[i].device() == device) return states_[i];
  return {};
}

}  // namespace steppe
