#include "base.h"

#include <map>

#include "../errors.h"
#include "bases.h"

namespace steppe::optim {

std::unique_ptr<Base> make_base(const std::string& name, size_t parameters) {
  static const std::map<std::string, std::unique_ptr<Base> (*)(size_t)> bases = {
      {"adadelta", adadelta}, {"adafactor", adafactor}, {"adafactor-t5", adafactor_t5}, {"adagrad", adagrad}, {"adam", adam},   {"adamax", adamax},
      {"adamw", adamw},       {"asgd", asgd},           {"lamb", lamb},                 {"lbfgs", lbfgs},     {"lion", lion},   {"nadam", nadam},
      {"radam", radam},       {"rmsprop", rmsprop},     {"rprop", rprop},               {"sgd", sgd},
  };
  const auto found = bases.find(name);
  if (found == bases.end()) fail_expected("a known base optimizer", "base.name", "\"" + name + "\"");
  return found->second(parameters);
}

namespace {

struct Parts {
  std::vector<Part> parts;
  std::vector<uint32_t> group_of_part;
};

Parts parts_of(const Tensors& w, const Tensors& d, const std::vector<uint32_t>& group_of, const Groups& groups) {
  Parts result;
  auto& [parts, group_of_part] = result;
  for (size_t k = 0; k < w.size(); k++) {
    if (!d[k].defined()) continue;
    size_t p = 0;
    while (p < parts.size() && !(group_of_part[p] == group_of[k] && parts[p].w[0].scalar_type() == w[k].scalar_type() &&
                                 parts[p].w[0].device() == w[k].device()))
      p++;
    if (p == parts.size()) {
      parts.push_back({groups[group_of[k]], {}, {}, {}});
      group_of_part.push_back(group_of[k]);
    }
    parts[p].index.push_back(k);
    parts[p].w.push_back(w[k]);
    parts[p].d.push_back(d[k]);
  }
  return result;
}

}  // namespace

void Base::step(const Tensors& w, const Tensors& d, const std::vector<uint32_t>& group_of, const Groups& groups) {
  for (const auto& part : parts_of(w, d, group_of, groups).parts) update(part);
}

void Base::step_on_device(const Tensors& w, const Tensors& d, const std::vector<uint32_t>& group_of, const Groups& groups, const Tensors& lr,
                          const at::Tensor& bad) {
  const auto [parts, group_of_part] = parts_of(w, d, group_of, groups);
  for (size_t p = 0; p < parts.size(); p++) update_on_device(parts[p], lr[group_of_part[p]], bad);
}

bool Base::is_ready(const Tensors& w, const std::vector<uint8_t>& has_gradient, const std::vector<uint32_t>& group_of, const Groups& groups) const {
  if (!has_device_form()) return false;
  for (size_t k = 0; k < w.size(); k++) {
    if (!has_gradient[k]) continue;
    for (const auto* state : states_read(groups[group_of[k]]))
      if (!(*state)[k].defined()) return false;
  }
  return true;
}

std::vector<std::pair<std::string, Tensors*>> Base::state() {
  std::vector<std::pair<std::string, Tensors*>> result;
  for (auto& [name, tensors] : states_) result.emplace_back(name, &tensors);
  return result;
}

}  // namespace steppe::optim
