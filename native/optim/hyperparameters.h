#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace steppe::optim {

// The numbers of one parameter group. Kept apart from LibTorch's option classes, which treat a value equal to their
// constructor's default as unset. Defaults and validation live in lib/optim.
struct Hyperparameters {
  double lr = 0, momentum = 0, dampening = 0, weight_decay = 0;
  double beta1 = 0, beta2 = 0, eps = 0;
  bool nesterov = false, amsgrad = false, maximize = false;
  double rho = 0;         // radius of this group's perturbation
  bool perturb = true;    // false: the group is left out of the perturbation and of its norm
};

// Sets a field by its name in JavaScript ("weightDecay"); false if there is none.
bool set(Hyperparameters& target, const std::string& name, double value);

using Groups = std::vector<Hyperparameters>;

}  // namespace steppe::optim
