#include "hyperparameters.h"

#include <unordered_map>
#include <variant>

namespace steppe::optim {

bool set(Hyperparameters& target, const std::string& name, double value) {
  using H = Hyperparameters;
  static const std::unordered_map<std::string, std::variant<double H::*, bool H::*>> fields = {
      {"lr", &H::lr},           {"momentum", &H::momentum}, {"dampening", &H::dampening}, {"weightDecay", &H::weight_decay},
      {"beta1", &H::beta1},     {"beta2", &H::beta2},       {"eps", &H::eps},             {"nesterov", &H::nesterov},
      {"amsgrad", &H::amsgrad}, {"maximize", &H::maximize}, {"rho", &H::rho},             {"perturb", &H::perturb},
  };
  const auto found = fields.find(name);
  if (found == fields.end()) return false;
  if (const auto* number = std::get_if<double H::*>(&found->second)) {
    target.*(*number) = value;
  } else {
    target.*(std::get<bool H::*>(found->second)) = value != 0;
  }
  return true;
}

}  // namespace steppe::optim
