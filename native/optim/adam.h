#pragma once
#include "base.h"

namespace steppe::optim {

// torch.optim.Adam (weight decay joins the gradient) and AdamW (it shrinks the weights: decoupled).
class Adam : public Base {
 public:
  Adam(size_t parameters, bool decoupled)
      : decoupled_(decoupled), exp_avg_(parameters), exp_avg_sq_(parameters), max_exp_avg_sq_(parameters), step_(parameters) {}
  void step(const Tensors& w, const Tensors& d, const std::vector<uint32_t>& group_of, const Groups& groups) override;
  std::vector<std::pair<std::string, Tensors*>> state() override {
    return {{"step", &step_}, {"exp_avg", &exp_avg_}, {"exp_avg_sq", &exp_avg_sq_}, {"max_exp_avg_sq", &max_exp_avg_sq_}};
  }
  const Tensors* momentum() const override { return &exp_avg_; }

 private:
  bool decoupled_;
  Tensors exp_avg_, exp_avg_sq_, max_exp_avg_sq_, step_;
};

}  // namespace steppe::optim
