#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "../optim/base.h"
#include "passes.h"
#include "vectors.h"

namespace steppe::sam {

// What a step tells the user.
struct Report {
  double loss = 0, grad_norm = 0;
  std::optional<double> perturbed_loss;  // none if no pass was taken at a perturbed point
  bool skipped = false;
  bool updated = false;                  // the base optimizer took its step
  bool has_gradient = false;             // loss and norm are those of a pass
};

// ε_k = scale_k · direction_k. Kept factored: w + ε is then one pass over memory. Undefined where a parameter is left as it
// is; empty where no parameter moves.
struct Perturbation {
  Tensors direction;
  std::vector<double> scale;
  bool empty() const { return direction.empty(); }
};

// A point w + ε.
class Point {
 public:
  // The caller's own until the next move. Float32 and float64 on the CPU lie in memory that the pass that reads them hands on to its gradients: in the
  // place of directions that nobody else holds, which are in the caches of those who write it, who then need not ask the others for lines that they
  // have read. Other ones on the CPU lie in memory that is kept from step to step.
  Tensors move(const Tensors& w, Perturbation epsilon, double times = 1);

 private:
  Tensors storage_;
};

// w as the passes of a step want it in memory, in copies that are kept from step to step.
class Arrangement {
 public:
  const Tensors& of(const Tensors& w, const std::vector<Program::Layout>& layouts);

 private:
  Tensors arranged_, storage_;
};

// The step did not go well: a gradient is not finite. Leaves the step; the engine puts everything back.
struct NonFinite {
  std::string message;
  double loss, norm;
};

// What the parts of a method see of the step that they are part of.
struct Step {
  const Tensors& w;
  const std::vector<std::string>& names;
  const std::vector<uint8_t>& in_subset;  // parameters that the method perturbs at all
  const std::vector<uint32_t>& group_of;
  const optim::Groups& groups;
  optim::Base& base;
  Passes& passes;
  Point& point;
  int64_t number;  // steps that the method has taken before; skipped ones do not count
  bool perturbs;   // false: the base optimizer alone, for which no parameter is left out

  const optim::Hyperparameters& group(size_t k) const { return groups[group_of[k]]; }
  bool is_perturbed(size_t k) const { return !perturbs || (in_subset[k] != 0 && group(k).perturb); }
  double rho(size_t k) const { return group(k).rho; }
  // x without the parameters that are not perturbed.
  Tensors perturbed_part(Tensors x) const;
  // The norm of every rule, ‖x‖, is over the perturbed parameters together; what of x is along u likewise.
  double norm(const Tensors& x) const;
  // ⟨x,u⟩/‖u‖², 0 where u is zero: x − it·u is what of x is orthogonal to u.
  double share_along(const Tensors& x, const Tensors& u, double norm_of_u) const;

  // A gradient at w, at w + times·ε, at any point. Throws NonFinite, in which `where` names the gradient. Where the base
  // optimizer maximises it is −L's: a method only ever descends.
  Gradient at_w(const Query& query, const char* where) const;
  Gradient at(Perturbation epsilon, const Query& query, const char* where, double times = 1) const;
  Gradient at(Passes& over, Tensors there, const Query& query, const char* where) const;
  // From the norm over all parameters to that over the perturbed ones.
  void measure(Gradient& gradient) const;
  // From L's gradient to the one that is descended, and back.
  void turn(Tensors& g) const;
  void require_finite(const Gradient& gradient, const char* where) const;
  // Of forwards alone: each sample's loss.
  void require_finite_losses(const at::Tensor& losses, const char* where) const;
};

}  // namespace steppe::sam
