#include "hyperparameters.h"

#include "../errors.h"

namespace steppe::optim {

double Hyperparameters::operator[](std::string_view name) const {
  const auto found = base.find(name);
  if (found == base.end()) fail(Code::internal, "No hyperparameter is called " + std::string(name) + ".");
  return found->second;
}

bool set(Hyperparameters& target, const std::string& name, double value) {
  if (name == "rho") {
    target.rho = value;
  } else if (name == "perturb") {
    target.perturb = value != 0;
  } else {
    target.base[name] = value;
  }
  return true;
}

}  // namespace steppe::optim
