#include <algorithm>
#include <cmath>

#include "../errors.h"
#include "parts.h"

namespace steppe::sam {
namespace {

PartSpec at_place(const MethodSpec& spec, const char* place, const char* otherwise) {
  const auto found = spec.find(place);
  return found == spec.end() ? PartSpec{otherwise, {}} : found->second;
}

}  // namespace

// The second column is SAM: ε = ρ ∇L(w)/‖∇L(w)‖ at every step, over the whole batch, d = ∇L(w + ε).
Method::Method(const MethodSpec& spec, size_t parameters)
    : when(make_when(at_place(spec, "when", "always"))),
      split(make_split(at_place(spec, "split", "whole"))),
      climb(make_climb(at_place(spec, "climb", "gradient"), parameters)),
      ascent(make_ascent(at_place(spec, "ascent", "oneStep"), make_direction(at_place(spec, "direction", "steepest"), parameters), parameters)),
      descend(make_descend(at_place(spec, "descend", "piece"))),
      combine(make_combine(at_place(spec, "combine", "perturbed"), parameters)) {
  if (spec.contains("rule")) rule = make_rule(spec.at("rule"), parameters);
}

std::vector<Part*> Method::parts() const {
  std::vector<Part*> all{when.get(), split.get(), climb.get(), ascent.get(), descend.get(), combine.get()};
  if (rule != nullptr) all = {rule.get()};
  return all;
}

void fail_unknown_part(const char* place, const std::string& name) {
  fail(Code::internal, std::string("The engine has no part \"") + name + "\" for the place " + place + ".");
}

int64_t share_of(double share, int64_t n) {
  return std::clamp<int64_t>(static_cast<int64_t>(std::ceil(share * static_cast<double>(n) - 1e-9)), std::min<int64_t>(n, 1), n);
}

}  // namespace steppe::sam
