#pragma once
#include <string>

#include "../device/branches.h"
#include "device_passes.h"
#include "parts.h"

namespace steppe::sam {

// The parts of a method whose numbers can stay where the weights are: the same formulae as in climb.cc, direction.cc, ascent.cc
// and combine.cc, over device_numbers.h.
class DeviceMethod {
 public:
  // Why a method has no such form; empty if it has.
  static std::string obstacle(const MethodSpec& spec);

  explicit DeviceMethod(const MethodSpec& spec) : spec_(spec) {}

  // What a step does.
  enum class Kind : uint8_t {
    base,   // the base optimizer alone
    plain,  // a step of the method without a perturbation
    climbs
  };
  // What a step comes to, before the base optimizer. Numbers are tensors.
  struct Outcome {
    Tensors d;
    at::Tensor loss, norm, perturbed_loss{};  // of no perturbed point: undefined
    std::vector<std::pair<at::Tensor, at::Tensor>> state{};  // the method's memory, and what becomes of it
    std::map<std::string, at::Tensor> numbers{};             // likewise of its numbers: what becomes of them, [n]
    Tensors after{};                           // is added to the weights after the base optimizer's step; NaN where that is not taken
  };
  Outcome operator()(Kind kind, const Step& step, DevicePasses& passes, const std::vector<Piece>& pieces, device::Branches& branches) const;

  // Numbers of the groups, as tensors; memory by name, its numbers as tensors [n] of float64.
  struct Given {
    const Tensors& lr;
    const Tensors& rho;
    const Memory& memory;
    const std::map<std::string, at::Tensor>& numbers;
    bool turns_alike;  // pieces may move the same buffers at the same time
  };
  void give(const Given& given) { given_ = &given; }
  // Groups have changed.
  void forget() { places_ = elements_ = at::Tensor(); }

  // Whether all memory exists that a step with a perturbation reads or writes, of parameters that have a gradient.
  bool is_ready(Kind kind, const Step& step, const Memory& memory, const std::vector<uint8_t>& has_gradient) const;

 private:
  using Gradient = DevicePasses::Gradient;
  struct Direction {
    Tensors v;
    at::Tensor length;
  };
  // ε_k = scale_g v_k, g the group of k; or ε itself.
  struct Epsilon {
    Tensors v;
    Tensors scale{};
    bool is_whole = false;
  };
  Direction direction(const Tensors& g, const Step& step, Outcome& outcome) const;
  Epsilon by_strength(const Tensors& first, const Step& step, DevicePasses& passes, const Piece& piece, Outcome& outcome) const;
  // GA-SAM's radii of the parameters with these numbers, [their number].
  at::Tensor radii(const at::Tensor& lengths, const std::vector<int64_t>& index, const Step& step, Outcome& outcome) const;
  Tensors point(const Step& step, const Epsilon& epsilon, double times = 1) const;
  Tensors piece(const Step& step, DevicePasses& passes, const Piece& piece, Outcome& outcome) const;
  Tensors combine(const Step& step, DevicePasses& passes, const Piece& piece, const Gradient& g, const Gradient& g_p, const Epsilon& epsilon,
                  Outcome& outcome) const;
  Tensors orthogonal(const Step& step, const Tensors& x, const Tensors& u) const;
  void remember(const char* name, const Tensors& next, Outcome& outcome) const;
  const Tensors& memory(const char* name) const { return *given_->memory.tensors.at(name); }
  std::string name_of(const char* place, const char* otherwise) const;
  double number(const char* place, const char* name) const { return spec_.at(place)[name]; }

  const MethodSpec& spec_;
  const Given* given_ = nullptr;
  // Made from numbers of the CPU at the first step, which is not captured: which parameters GA-SAM perturbs, and their elements.
  mutable at::Tensor places_, elements_;
};

}  // namespace steppe::sam
