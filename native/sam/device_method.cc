#include "device_method.h"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/div.h>
#include <ATen/ops/index_copy.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <map>
#include <set>

#include "../optim/parts.h"
#include "device_numbers.h"

namespace steppe::sam {
namespace {

// What has a form here, by place.
const std::map<std::string, std::set<std::string>>& known() {
  static const std::map<std::string, std::set<std::string>> names = {
      {"when", {"always", "every", "probability"}},
      {"split", {"whole", "leadingPart", "shards"}},
      {"climb", {"gradient", "otherObjective", "momentum", "lastDirection"}},
      {"direction", {"steepest", "opposite", "adaptive", "fisher", "smoothed", "batchNoise"}},
      {"ascent", {"oneStep", "gradientStrength"}},
      {"descend", {"piece"}},
      {"combine", {"perturbed", "surrogateGap", "weighted", "reuse", "renormalised", "curvature", "firstOrderFlatness"}},
  };
  return names;
}

}  // namespace

std::string DeviceMethod::obstacle(const MethodSpec& spec) {
  for (const auto& [place, part] : spec) {
    const auto found = known().find(place);
    if (found == known().end() || !found->second.contains(part.name)) return "the method's part " + place + " \"" + part.name + "\" has no form that stays on a GPU";
  }
  return "";
}

std::string DeviceMethod::name_of(const char* place, const char* otherwise) const {
  const auto found = spec_.find(place);
  return found == spec_.end() ? otherwise : found->second.name;
}

bool DeviceMethod::is_ready(Kind kind, const Step& step, const Memory& memory, const std::vector<uint8_t>& has_gradient) const {
  if (kind == Kind::base) return true;
  for (const auto& [name, tensors] : memory.tensors) {
    if (kind == Kind::plain && name != "reused" && name != "lastDirection") continue;
    for (size_t k = 0; k < tensors->size(); k++)
      if (has_gradient[k] && !(*tensors)[k].defined() && (name != "runningMean" || step.is_perturbed(k))) return false;
  }
  return true;
}

DeviceMethod::Outcome DeviceMethod::operator()(Kind kind, const Step& step, DevicePasses& passes, const std::vector<Piece>& pieces,
                                               device::Branches& branches) const {
  Outcome outcome;
  const auto zero = there::number(0, step.w.front());
  outcome.loss = outcome.norm = zero;
  if (kind != Kind::climbs) {
    passes.begin_piece();
    const auto g = passes.at(step, step.w, {.moves_buffers = true});
    outcome.loss = g.loss;
    outcome.norm = g.norm;
    outcome.d = g.g;
    if (kind == Kind::plain && name_of("combine", "perturbed") == "reuse")
      outcome.d = there::add(g.g, where_defined(memory("reused"), g.g), g.norm.mul(number("combine", "alpha")));
  } else {
    std::vector<Outcome> parts(pieces.size(), Outcome{{}, zero, zero});
    device::StreamOrder order(step.w.front().device(), pieces.size());
    const bool beside = pieces.size() > 1 && given_->turns_alike;
    if (beside) branches.fork(pieces.size());
    try {
      for (size_t j = 0; j < pieces.size(); j++) {
        branches.on(j, [&] {
          passes.begin_piece(beside ? OrderedRun{&order, j} : OrderedRun{});
          parts[j].d = piece(step, passes, pieces[j], parts[j]);
        });
      }
    } catch (...) {
      try {
        branches.join();
      } catch (const std::exception&) {
        // The reason is what the piece threw.
      }
      throw;
    }
    branches.join();
    outcome.d.resize(step.w.size());
    for (size_t j = 0; j < pieces.size(); j++) {
      const double weight = pieces[j].weight;
      auto& part = parts[j];
      outcome.d = weight == 1 ? part.d : add(outcome.d, part.d, weight);
      outcome.loss = outcome.loss.add(part.loss, weight);
      outcome.norm = outcome.norm.add(part.norm, weight);
      if (part.perturbed_loss.defined()) outcome.perturbed_loss = (outcome.perturbed_loss.defined() ? outcome.perturbed_loss : zero).add(part.perturbed_loss, weight);
      outcome.numbers.merge(part.numbers);
      outcome.state.insert(outcome.state.end(), part.state.begin(), part.state.end());
      if (!part.after.empty()) outcome.after = part.after;
    }
  }
  if (kind != Kind::base && name_of("climb", "gradient") == "lastDirection") remember("lastDirection", outcome.d, outcome);
  return outcome;
}

// From the gradient that climbs to the piece's d; see Engine::piece_direction.
Tensors DeviceMethod::piece(const Step& step, DevicePasses& passes, const Piece& piece, Outcome& outcome) const {
  const auto climb = name_of("climb", "gradient");
  const bool climbs_by_pass = climb == "gradient" || climb == "otherObjective";
  Gradient g;
  if (climbs_by_pass) {
    g = passes.at(step, step.w, {piece.climb, piece.moves_buffers, climb == "gradient" ? Objective::loss : Objective::climbed});
  } else if (climb == "lastDirection") {
    g.g = memory("lastDirection");
  } else if (const auto* momentum = step.base.momentum()) {
    g.g = *momentum;
  }
  const bool climbs = any_defined(g.g);
  Epsilon epsilon;
  if (climbs && name_of("ascent", "oneStep") == "gradientStrength") {
    epsilon = by_strength(g.g, step, passes, piece, outcome);
  } else if (climbs) {
    auto [v, length] = direction(step.perturbed_part(g.g), step, outcome);
    epsilon.v = std::move(v);
    const auto per_length = there::inverse(length);
    for (const auto& rho : given_->rho) epsilon.scale.push_back(rho.mul(per_length));
  }
  const auto moved = point(step, epsilon);
  if (const auto name = name_of("combine", "perturbed"); name == "perturbed" || name == "renormalised") {  // they do not look back
    g.g.clear();
    epsilon = {};
  }
  const auto g_p = passes.at(step, moved, {piece.descend, /*moves_buffers=*/!climbs_by_pass});
  outcome.loss = climbs_by_pass ? g.loss : g_p.loss;
  outcome.norm = climbs_by_pass ? g.norm : g_p.norm;
  if (climbs) outcome.perturbed_loss = g_p.loss;
  return combine(step, passes, piece, g, g_p, epsilon, outcome);
}

DeviceMethod::Direction DeviceMethod::direction(const Tensors& g, const Step& step, Outcome& outcome) const {
  const auto& like = step.w.front();
  const auto name = name_of("direction", "steepest");
  if (name == "opposite") return {g, there::norm(g, like).neg()};
  if (name == "adaptive") {
    Tensors tg = g, ttg = g;
    for (size_t k = 0; k < g.size(); k++) {
      const auto& own = step.names[k];
      if (!g[k].defined() || own.find("weight", own.rfind('.') + 1) == std::string::npos) continue;
      const auto t = at::abs(step.w[k]).add_(number("direction", "eta"));
      tg[k] = at::mul(g[k], t);
      ttg[k] = at::mul(tg[k], t);
    }
    return {ttg, there::norm(tg, like)};
  }
  if (name == "fisher") {
    Tensors v = g;
    for (auto& each : v) {
      if (!each.defined()) continue;
      const auto wide = widened(each);  // where g² may be
      each = at::mul(wide, at::mul(wide, wide).mul_(number("direction", "eta")).add_(1).reciprocal_()).to(each.scalar_type());
    }
    return {v, there::dot(g, v, like).sqrt()};
  }
  if (name == "smoothed" || name == "batchNoise") {
    const auto& mean = memory("runningMean");
    const double share = name == "smoothed" ? number("direction", "theta") : 1 - number("direction", "lambda");
    Tensors next(g.size()), before(g.size());
    for (size_t k = 0; k < g.size(); k++) {
      if (!g[k].defined()) continue;
      before[k] = mean[k];
      next[k] = at::lerp(mean[k], g[k], share);
    }
    remember("runningMean", next, outcome);
    const auto v = name == "smoothed" ? next : add(g, before, -number("direction", "sigma"));
    return {v, there::norm(v, like)};
  }
  return {g, there::norm(g, like)};
}

// See gradient_strength.cc.
at::Tensor DeviceMethod::radii(const at::Tensor& lengths, const std::vector<int64_t>& index, const Step& step, Outcome& outcome) const {
  const double alpha = number("ascent", "alpha"), beta = number("ascent", "beta"), gamma = number("ascent", "gamma");
  if (!places_.defined()) {
    std::vector<double> elements;
    for (const auto k : index) elements.push_back(static_cast<double>(step.w[k].numel()));
    places_ = at::tensor(index, at::kLong).to(lengths.device());
    elements_ = at::tensor(elements, at::kDouble).to(lengths.device());
  }
  const auto& n = elements_;
  const auto &all_m = given_->numbers.at("strength"), &all_t = given_->numbers.at("updates"), &reference = given_->numbers.at("reference");
  const auto m = all_m.index_select(0, places_).mul(beta).add(at::div(lengths, n.clamp(1).sqrt()).mul(1 - beta));
  const auto t = all_t.index_select(0, places_).add(1);
  outcome.numbers["strength"] = all_m.index_copy(0, places_, m);
  outcome.numbers["updates"] = all_t.index_copy(0, places_, t);
  const auto strength = at::div(m, at::pow(beta, t).neg().add(1));
  const auto whole = at::div(at::mul(n, strength.square()).sum(), n.sum()).sqrt();
  const auto reached = at::maximum(reference, whole.reshape({1}));
  outcome.numbers["reference"] = reached;
  Tensors rho;
  for (const auto k : index) rho.push_back(given_->rho[step.group_of[k]]);
  const auto course = at::pow(at::div(whole, reached), gamma);
  const auto result = at::div(at::stack(rho).mul(n.sqrt()).mul(strength.pow(alpha)), at::mul(n, strength.pow(2 * alpha)).sum().sqrt()).mul(course);
  return at::where(whole.eq(0), at::zeros_like(result), result);
}

DeviceMethod::Epsilon DeviceMethod::by_strength(const Tensors& first, const Step& step, DevicePasses& passes, const Piece& piece, Outcome& outcome) const {
  std::vector<int64_t> index;
  for (size_t k = 0; k < first.size(); k++)
    if (first[k].defined() && step.is_perturbed(k)) index.push_back(static_cast<int64_t>(k));
  const auto at_index = [&](const Tensors& x) {
    Tensors chosen;
    for (const auto k : index) chosen.push_back(x[k]);
    return chosen;
  };
  // x_k · factor_k
  const auto times = [](const Tensors& x, const at::Tensor& factors) {
    Tensors result;
    for (size_t i = 0; i < x.size(); i++) result.push_back(there::times(x[i], factors[static_cast<int64_t>(i)]));
    return result;
  };
  Epsilon epsilon{Tensors(first.size()), {}, /*is_whole=*/true};
  if (index.empty()) return epsilon;
  auto g = at_index(first);
  auto length = optim::norms_there(g);
  const auto r = radii(length, index, step, outcome);
  const int steps = static_cast<int>(number("ascent", "steps"));
  Tensors delta;
  for (int i = 0; i < steps; i++) {
    const auto move = times(g, r.mul(std::min(1.0, 2.5 / steps)).mul(there::inverse(length)));
    delta = delta.empty() ? move : Tensors(at::_foreach_add(delta, move));
    if (steps > 1) {  // one full step ends on the ball: nothing to project
      const auto reached = optim::norms_there(times(delta, there::inverse(r)));
      delta = times(delta, at::reciprocal(reached.clamp(1)));
    }
    for (size_t j = 0; j < index.size(); j++) epsilon.v[index[j]] = delta[j];
    if (i + 1 == steps) break;
    g = at_index(passes.at(step, point(step, epsilon), {.samples = piece.climb}).g);
    length = optim::norms_there(g);
  }
  return epsilon;
}

// w + times·ε; w itself where nothing moves.
Tensors DeviceMethod::point(const Step& step, const Epsilon& epsilon, double times) const {
  if (epsilon.is_whole) return add(step.w, epsilon.v, times);
  Tensors point = step.w;
  for (size_t group = 0; group < epsilon.scale.size(); group++) {
    std::vector<size_t> index;
    Tensors w, v;
    for (size_t k = 0; k < point.size(); k++) {
      if (step.group_of[k] != group || !epsilon.v[k].defined() || step.rho(k) == 0) continue;
      index.push_back(k);
      w.push_back(step.w[k]);
      v.push_back(epsilon.v[k]);
    }
    const auto moved = there::add(w, v, times == 1 ? epsilon.scale[group] : epsilon.scale[group].mul(times));
    for (size_t i = 0; i < index.size(); i++) point[index[i]] = moved[i];
  }
  return point;
}

Tensors DeviceMethod::orthogonal(const Step& step, const Tensors& x, const Tensors& u) const {
  const auto& like = step.w.front();
  const auto part = step.perturbed_part(u);
  const auto per_length = there::inverse(there::norm(part, like));
  return there::add(x, u, there::dot(x, part, like).mul(per_length).mul(per_length).neg());
}

void DeviceMethod::remember(const char* name, const Tensors& next, Outcome& outcome) const {
  const auto& now = memory(name);
  for (size_t k = 0; k < now.size(); k++)
    if (now[k].defined() && next[k].defined()) outcome.state.emplace_back(now[k], next[k]);
}

Tensors DeviceMethod::combine(const Step& step, DevicePasses& passes, const Piece& piece, const Gradient& g, const Gradient& g_p, const Epsilon& epsilon,
                              Outcome& outcome) const {
  const auto& like = step.w.front();
  const auto name = name_of("combine", "perturbed");
  if (name == "surrogateGap") return add(g_p.g, orthogonal(step, g.g, g_p.g), -number("combine", "alpha"));
  if (name == "weighted") {
    const double gamma = number("combine", "gamma");
    const auto sharpness = add(g_p.g, g.g, -1);
    outcome.after.resize(step.w.size());
    for (size_t k = 0; k < sharpness.size(); k++)
      if (sharpness[k].defined()) outcome.after[k] = there::times(sharpness[k], given_->lr[step.group_of[k]].to(at::kDouble).mul(-gamma / (1 - gamma)));
    return g.g;
  }
  if (name == "reuse") {
    const auto v = orthogonal(step, g_p.g, g.g);
    const auto length = there::norm(step.perturbed_part(v), like);
    const auto is_direction = length.gt(g_p.norm.mul(4 * rounding(g_p.g)));
    remember("reused", there::scaled(v, at::where(is_direction, there::inverse(length), there::number(0, like))), outcome);
    return g_p.g;
  }
  if (name == "renormalised") return there::scaled(g_p.g, g.norm.mul(there::inverse(g_p.norm)));
  if (name == "curvature") {
    const double gamma = number("combine", "gamma"), beta = number("combine", "beta");
    const auto g_m = passes.at(step, point(step, epsilon, -1), {.samples = piece.descend});
    return add(add(scaled(g_p.g, 1 + gamma + beta), g_m.g, gamma - beta), g.g, -2 * gamma);
  }
  if (name == "firstOrderFlatness") {
    const auto h = step.perturbed_part(add(g_p.g, g.g, -1));
    const auto to_w1 = there::scaled(h, there::inverse(there::norm(h, like)).mul(number("combine", "normRho")));
    const auto g2 = passes.at(step, add(step.w, to_w1, 1), {.samples = piece.descend});
    auto v = step.perturbed_part(g2.g);
    const auto per_length = there::inverse(there::norm(v, like));
    for (size_t k = 0; k < v.size(); k++)
      if (v[k].defined()) v[k] = there::times(v[k], given_->rho[step.group_of[k]].mul(per_length));
    const auto g3 = passes.at(step, add(step.w, add(to_w1, v, 1), 1), {.samples = piece.descend});
    const auto p = add(g.g, g2.g, number("combine", "beta2"));
    const auto big_g = add(scaled(g_p.g, number("combine", "beta1")), g3.g, number("combine", "beta3"));
    return add(big_g, orthogonal(step, p, big_g), -number("combine", "gamma"));
  }
  return g_p.g;
}

}  // namespace steppe::sam
