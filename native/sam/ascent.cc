// Part "ascent": how far the perturbation goes.
#include "ascent.h"

namespace steppe::sam {
namespace {

// One step: ε_k = ρ_k v_k/length over the perturbed parameters. Groups with a radius of their own share one length.
class OneStep : public Ascent {
 public:
  explicit OneStep(std::unique_ptr<Direction> direction) : direction_(std::move(direction)) {}

  Perturbation operator()(Gradient g, const Step& step, const Piece&) override {
    auto there = step.perturbed_part(std::move(g.g));
    const double of_gradient = g.is_measured ? g.norm : norm(there);
    auto [v, own_length, norms] = (*direction_)(std::move(there), step);
    const double length = own_length.value_or(norms * of_gradient);
    if (length == 0) return {};
    std::vector<double> scale(v.size());
    for (size_t k = 0; k < v.size(); k++) scale[k] = step.rho(k) / length;
    return {std::move(v), std::move(scale)};
  }
  void begin(const Step& step) override { direction_->begin(step); }
  void commit() override { direction_->commit(); }
  void discard() override { direction_->discard(); }
  void remember(Memory& memory) override { direction_->remember(memory); }

 private:
  std::unique_ptr<Direction> direction_;
};

}  // namespace

std::unique_ptr<Ascent> make_ascent(const PartSpec& spec, std::unique_ptr<Direction> direction, size_t parameters) {
  if (spec.name == "oneStep") return std::make_unique<OneStep>(std::move(direction));
  if (spec.name == "gradientStrength")
    return gradient_strength(parameters, spec["alpha"], spec["beta"], spec["gamma"], static_cast<int>(spec["steps"]));
  fail_unknown_part("ascent", spec.name);
}

}  // namespace steppe::sam
