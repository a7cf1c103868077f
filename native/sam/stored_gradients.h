#pragma once
#include <memory>
#include <utility>

#include "passes.h"
#include "vectors.h"

namespace steppe::sam {

// The gradients that the user's own backward() has left in the parameters: one point, w, and no loss. They are read where they lie.
class StoredGradients : public Passes {
 public:
  StoredGradients(Tensors parameters, double loss_scale) : parameters_(std::move(parameters)), loss_scale_(loss_scale) {}
  // Whether there are any.
  bool exist() const { return any_defined(gradients()); }

  Gradient at(Tensors point, const Query& query) override;
  at::Tensor sample_losses(const Tensors& point, const Query& query) override;
  double loss(const Tensors& point, const Query& query) override;
  void commit() override {}
  int64_t batch_size() const override { return -1; }
  void begin_piece() override {}
  std::shared_ptr<Passes> keep(const Tensors& inputs) const override;
  Tensors inputs() const override { return {}; }

 private:
  Tensors gradients() const;
  Tensors parameters_;
  double loss_scale_;
};

}  // namespace steppe::sam
