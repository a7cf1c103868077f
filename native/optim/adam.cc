#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_sub.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>

#include "bases.h"
#include "parts.h"

namespace steppe::optim {
namespace {

// torch.optim.Adam (arXiv 1412.6980): weight decay joins the gradient; and AdamW (arXiv 1711.05101): it shrinks the weights.
class Adam : public Base {
 public:
  Adam(size_t parameters, bool decoupled) : Base(parameters), decoupled_(decoupled) {}
  const Tensors* momentum() const override { return &exp_avg_; }
  bool has_device_form() const override { return true; }
  bool is_fused() const override { return true; }

 protected:
  std::vector<const Tensors*> states_read(const Hyperparameters& h) const override {
    std::vector<const Tensors*> states{&step_, &exp_avg_, &exp_avg_sq_};
    if (h["amsgrad"] != 0) states.push_back(&max_exp_avg_sq_);
    return states;
  }
  void update(const Part& part) override { update(part, part.h["lr"], std::nullopt); }
  void update_on_device(const Part& part, const Tensors& numbers, const at::Tensor& bad) override { update(part, numbers[0].to(at::kFloat), bad); }

 private:
  // `Rate`: a number, or a tensor.
  template <class Rate>
  void update(const Part& part, const Rate& lr, const std::optional<at::Tensor>& bad) {
    const auto& h = part.h;
    const bool amsgrad = h["amsgrad"] != 0, maximize = h["maximize"] != 0;
    const auto m = like_w(exp_avg_, part), v = like_w(exp_avg_sq_, part);
    const auto maxima = amsgrad ? like_w(max_exp_avg_sq_, part) : Tensors{};
    // The fused kernels read the count where the parameter is.
    Tensors step;
    for (size_t i = 0; i < part.index.size(); i++) step.push_back(fitted(step_[part.index[i]], {}, at::kFloat, part.w[i].device()));
    at::_foreach_add_(step, 1);
    const double beta1 = h["beta1"], beta2 = h["beta2"], weight_decay = h["weightDecay"], eps = h["eps"];
    if (decoupled_ || h["decoupledWeightDecay"] != 0) {
      at::_fused_adamw_(part.w, part.d, m, v, maxima, step, lr, beta1, beta2, weight_decay, eps, amsgrad, maximize, {}, bad);
    } else {
      at::_fused_adam_(part.w, part.d, m, v, maxima, step, lr, beta1, beta2, weight_decay, eps, amsgrad, maximize, {}, bad);
    }
    if (bad.has_value()) at::_foreach_sub_(step, Tensors(step.size(), *bad));  // the count of a step that was not taken
  }

  bool decoupled_;
  Tensors &step_ = keep("step"), &exp_avg_ = keep("exp_avg"), &exp_avg_sq_ = keep("exp_avg_sq"), &max_exp_avg_sq_ = keep("max_exp_avg_sq");
};

}  // namespace

std::unique_ptr<Base> adam(size_t parameters) { return std::make_unique<Adam>(parameters, false); }
std::unique_ptr<Base> adamw(size_t parameters) { return std::make_unique<Adam>(parameters, true); }

}  // namespace steppe::optim
