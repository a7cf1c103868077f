#include "stored_gradients.h"

#include <algorithm>
#include <limits>

#include "../errors.h"
#include "vectors.h"

namespace steppe::sam {
namespace {

[[noreturn]] void fail_one_point() { fail(Code::internal, "Stored gradients are of one point."); }

}  // namespace

bool StoredGradients::exist() const {
  return std::any_of(parameters_.begin(), parameters_.end(), [](const auto& each) { return each.requires_grad() && each.grad().defined(); });
}

Gradient StoredGradients::at(const Tensors& point, const Query&) {
  Gradient result{std::numeric_limits<double>::quiet_NaN(), Tensors(parameters_.size())};
  for (size_t k = 0; k < parameters_.size(); k++) {
    if (!point[k].is_same(parameters_[k])) fail_one_point();
    const auto& parameter = parameters_[k];
    if (parameter.requires_grad() && parameter.grad().defined()) result.g[k] = parameter.grad().detach();
  }
  lay_out_like(result.g, parameters_);
  if (loss_scale_ != 1) result.g = scaled(result.g, 1 / loss_scale_);
  result.norm = norm(result.g);
  return result;
}

at::Tensor StoredGradients::sample_losses(const Tensors&, const Query&) { fail_one_point(); }

double StoredGradients::loss(const Tensors&, const Query&) { fail_one_point(); }

std::shared_ptr<Passes> StoredGradients::keep(const Tensors&) const { fail_one_point(); }

}  // namespace steppe::sam
