#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace steppe::optim {

// The numbers of one parameter group. Kept apart from LibTorch's option classes, which treat a value equal to their
// constructor's default as unset. Defaults and validation live in lib/optim.
struct Hyperparameters {
  double rho = 0;       // radius of this group's perturbation
  bool perturb = true;  // false: the group is left out of the perturbation and of its norm
  std::map<std::string, double, std::less<>> base;

  // A number of the base optimizer by its name in JavaScript ("weightDecay"). NaN stands for null, 0 and 1 for booleans.
  double operator[](std::string_view name) const;
};

// Sets a number by its name in JavaScript. Always true: lib/optim knows which names there are.
bool set(Hyperparameters& target, const std::string& name, double value);

using Groups = std::vector<Hyperparameters>;

}  // namespace steppe::optim
