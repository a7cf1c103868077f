#include "base.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/where.h>

#include <map>

#include "../errors.h"
#include "../kernel_threads.h"
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

// Numbers that are kept as PyTorch keeps them: on the CPU.
bool is_count(const std::string& name) { return name == "step" || name == "eta" || name == "mu" || name == "mu_product"; }

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
      auto& part = parts.emplace_back(Part{groups[group_of[k]], {}, {}, {}});
      group_of_part.push_back(group_of[k]);
      part.index.reserve(w.size() - k);
      part.w.reserve(w.size() - k);
      part.d.reserve(w.size() - k);
    }
    parts[p].index.push_back(k);
    parts[p].w.push_back(w[k]);
    parts[p].d.push_back(d[k]);
  }
  return result;
}

}  // namespace

void Base::step(const Tensors& w, const Tensors& d, const std::vector<uint32_t>& group_of, const Groups& groups) {
  const auto [parts, _] = parts_of(w, d, group_of, groups);
  for (const auto& part : parts) {
    if (!lets_go()) HeldKernelThreads::let_go();
    update(part);
    for (const auto k : part.index) count(part.h, k);
  }
}

void Base::step_on_device(const Tensors& w, const Tensors& d, const std::vector<uint32_t>& group_of, const Groups& groups,
                          const std::vector<Tensors>& numbers, const at::Tensor& bad) {
  const auto [parts, group_of_part] = parts_of(w, d, group_of, groups);
  if (is_fused()) {
    const auto found = bad.to(at::kFloat);
    for (size_t p = 0; p < parts.size(); p++) update_on_device(parts[p], numbers[group_of_part[p]], found);
    return;
  }
  std::vector<std::pair<at::Tensor, at::Tensor*>> originals;  // of the state, and where each stands
  std::vector<std::pair<at::Tensor, at::Tensor>> changed;     // what is, and what it may become
  const auto put_back = [&] {
    for (const auto& [original, place] : originals) *place = original;
  };
  try {
    for (size_t p = 0; p < parts.size(); p++) {
      auto part = parts[p];
      for (size_t i = 0; i < part.index.size(); i++) {
        part.w[i] = part.w[i].clone();
        changed.emplace_back(parts[p].w[i], part.w[i]);
        for (auto& [name, tensors] : states_) {
          auto& state = tensors[part.index[i]];
          if (!state.defined() || is_count(name)) continue;
          if (state.sizes() != part.w[i].sizes()) {
            state = state.to(part.w[i].options());  // itself where it fits
          } else if (state.scalar_type() != part.w[i].scalar_type() || state.device() != part.w[i].device() || state.strides() != part.w[i].strides())
            state = at::empty_like(part.w[i]).copy_(state);
          originals.emplace_back(state, &state);
          state = state.clone();
          changed.emplace_back(originals.back().first, state);
        }
      }
      update_on_device(part, numbers[group_of_part[p]], bad);
    }
  } catch (...) {
    put_back();
    throw;
  }
  put_back();
  for (auto& [now, next] : changed) at::where_out(now, bad, now, next);
}

void Base::count_on_device(const std::vector<uint8_t>& has_gradient, const std::vector<uint32_t>& group_of, const Groups& groups) {
  for (size_t k = 0; k < has_gradient.size(); k++)
    if (has_gradient[k]) count(groups[group_of[k]], k);
}

bool Base::is_ready(const Tensors& w, const std::vector<uint8_t>& has_gradient, const std::vector<uint32_t>& group_of, const Groups& groups) const {
  if (!has_device_form()) return false;
  std::map<uint32_t, std::vector<double>> numbers_of;
  for (size_t k = 0; k < w.size(); k++) {
    if (!has_gradient[k]) continue;
    auto own = numbers(groups[group_of[k]], k);
    auto& first = numbers_of[group_of[k]];
    if (first.empty()) first = std::move(own);
    else if (first != own) return false;
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
