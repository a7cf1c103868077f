#include "method.h"

#include "../errors.h"
#include "ascent.h"
#include "split.h"

namespace steppe::sam {

Method make_method(const std::string& id, const Options& options, size_t parameters) {
  using Make = std::function<Method(const Options&, size_t)>;
  // One row per method, in the terms of its rule.
  static const std::map<std::string, Make> methods = {
      // The base optimizer alone.
      {"none", [](auto&, size_t) { return Method{.perturbs = false}; }},
      // ε = ρ n(∇L_A(w)), A the first part of B (arXiv 2010.01412; 2110.08529 for the part).
      {"sam", [](auto& o, size_t) { return Method{.split = leading_part(o.at("ascentFraction")), .ascent = steepest()}; }},
      // ε_j = ρ n(∇L_{S_j}(w)) for each shard S_j (arXiv 2302.09693).
      {"msam", [](auto& o, size_t) { return Method{.split = shards(static_cast<int64_t>(o.at("shards"))), .ascent = steepest()}; }},
      // Radii by the running strength of each tensor's gradient, projected steps (a reading of arXiv 2210.06895).
      {"gasam", [](auto& o, size_t n) {
         return Method{.split = whole(), .ascent = gradient_strength(n, o.at("alpha"), o.at("beta"), o.at("gamma"), static_cast<int>(o.at("steps")))};
       }},
  };
  const auto found = methods.find(id);
  if (found == methods.end()) fail_expected("a known method", "method", "\"" + id + "\"");
  return found->second(options, parameters);
}

Gradient Step::at_w(Samples samples) const { return passes.at(w, samples, /*moves_buffers=*/true); }

Gradient Step::at_perturbed(const Tensors& epsilon, double scale, Samples samples) const {
  if (same_noise && passes.draws()) noise.restore();
  return passes.at(perturbed(epsilon, scale), samples, /*moves_buffers=*/false);
}

}  // namespace steppe::sam
