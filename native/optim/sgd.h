#pragma once
#include "base.h"

namespace steppe::optim {

// torch.optim.SGD: d ← d + λw; b ← μb + (1−τ)d (b ← d at first); d ← d + μb with Nesterov, else b; w ← w − ηd.
class Sgd : public Base {
 public:
  explicit Sgd(size_t parameters) : momentum_(parameters) {}
  void step(const Tensors& w, const Tensors& d, const std::vector<uint32_t>& group_of, const Groups& groups) override;
  std::vector<std::pair<std::string, Tensors*>> state() override { return {{"momentum_buffer", &momentum_}}; }
  const Tensors* momentum() const override { return &momentum_; }

 private:
  Tensors momentum_;
};

}  // namespace steppe::optim
