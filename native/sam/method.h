#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../optim/hyperparameters.h"
#include "../rng.h"
#include "passes.h"

namespace steppe::sam {

// Options of a method, by their names in JavaScript. lib/optim has checked them and filled in defaults.
using Options = std::map<std::string, double>;

// What the parts of a method see of the step that they are part of.
struct Step {
  const Tensors& w;
  const std::vector<uint32_t>& group_of;
  const optim::Groups& groups;
  Passes& passes;
  NoiseState& noise;
  bool same_noise;
  std::function<void(const Gradient&, const char* where)> require_finite;  // leaves the step if it is not
  std::function<const Tensors&(const Tensors& epsilon, double scale)> perturbed;   // w + scale·ε, in a kept buffer

  bool is_perturbed(size_t k) const { return groups[group_of[k]].perturb; }
  double rho(size_t k) const { return groups[group_of[k]].rho; }

  // A gradient on `samples`: at w, or at w + ε.
  Gradient at_w(Samples samples) const;
  Gradient at_perturbed(const Tensors& epsilon, double scale, Samples samples) const;
};

// A perturbation ε = scale · direction. Kept factored: w + ε is then one pass over memory. Undefined where a parameter is
// left as it is.
struct Perturbation {
  Tensors direction;
  double scale = 0;
};

// Part "which samples climb, which descend": pieces that are perturbed on their own. The default is one: the whole batch.
struct Piece {
  Samples climb, descend;
  double weight = 1;  // of this piece's gradient in the sum
};
using Split = std::function<std::vector<Piece>(int64_t batch_size)>;

// Part "which direction, how far": from the gradient at w to ε. May take further passes over `climb`.
class Ascent {
 public:
  virtual ~Ascent() = default;
  virtual Perturbation operator()(const Gradient& g, const Step& step, Samples climb) = 0;
  // State moves when the step is known to be good: a skipped step leaves no trace.
  virtual void commit() {}
  virtual void discard() {}
  // Numbers kept between steps, for the optimizer's state dict.
  virtual std::map<std::string, std::vector<double>> state() const { return {}; }
  virtual void set_state(const std::map<std::string, std::vector<double>>&) {}
};

// A method is a short list of parts. Null parts are the defaults: SAM's.
struct Method {
  bool perturbs = true;                 // false: the base optimizer's own step
  Split split{};
  std::unique_ptr<Ascent> ascent{};
};

// The method of an id that lib/optim knows ("none", "sam", "msam", "gasam").
Method make_method(const std::string& id, const Options& options, size_t parameters);

}  // namespace steppe::sam
