#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>

#include "../kernel_threads.h"
#include "bases.h"
#include "parts.h"
#include "sgd_loops.h"

namespace steppe::optim {
namespace {

// torch.optim.SGD: g ← d + λw; b ← μb + (1−τ)g, b ← g at first; w ← w − η(g + μb) with Nesterov, else w − ηb.
class Sgd : public Base {
 public:
  using Base::Base;
  const Tensors* momentum() const override { return &momentum_buffer_; }
  bool has_device_form() const override { return true; }
  bool is_fused() const override { return true; }

 protected:
  void update(const Part& part) override {
    // A buffer that does not exist yet starts as the gradient itself, and the kernel takes that as one flag for all.
    const auto exists = [&](size_t k) { return momentum_buffer_[k].defined(); };
    if (std::all_of(part.index.begin(), part.index.end(), exists)) return update(part, /*first=*/false);
    if (std::none_of(part.index.begin(), part.index.end(), exists)) return update(part, /*first=*/true);
    Part old{part.h, {}, {}, {}}, fresh{part.h, {}, {}, {}};
    for (size_t i = 0; i < part.index.size(); i++) {
      auto& side = exists(part.index[i]) ? old : fresh;
      side.index.push_back(part.index[i]);
      side.w.push_back(part.w[i]);
      side.d.push_back(part.d[i]);
    }
    update(old, /*first=*/false);
    update(fresh, /*first=*/true);
  }

  bool lets_go() const override { return true; }

  std::vector<const Tensors*> states_read(const Hyperparameters& h) const override {
    return h["momentum"] != 0 ? std::vector<const Tensors*>{&momentum_buffer_} : std::vector<const Tensors*>{};
  }
  void update_on_device(const Part& part, const Tensors& numbers, const at::Tensor& bad) override {
    const auto& h = part.h;
    const auto b = h["momentum"] != 0 ? like_w(momentum_buffer_, part) : Tensors{};
    if (has_no_fused_kernel(part.w[0])) {
      if (bad.item<float>() == 0) plain(part, b, /*first=*/false);
      return;
    }
    at::_fused_sgd_(part.w, part.d, b, h["weightDecay"], h["momentum"], numbers[0].to(at::kFloat), h["dampening"], h["nesterov"] != 0,
                    h["maximize"] != 0, /*is_first_step=*/false, {}, bad);
  }

 private:
  void update(const Part& part, bool first) {
    const auto& h = part.h;
    const bool has_momentum = h["momentum"] != 0;
    Tensors b;
    if (has_momentum && !first) b = like_w(momentum_buffer_, part);
    if (has_momentum && first)
      for (const auto& w : part.w) b.push_back(at::empty_like(w));
    const bool has_no_fused = has_no_fused_kernel(part.w[0]), by_loops = !has_no_fused && fit_sgd_loops(part.w, part.d);
    if (!by_loops) HeldKernelThreads::let_go();
    if (has_no_fused) {
      plain(part, b, first);
    } else if (by_loops) {
      sgd_loops(part.w, part.d, b, {h["lr"], h["weightDecay"], h["momentum"], h["dampening"], h["nesterov"] != 0, h["maximize"] != 0}, first);
    } else {
      at::_fused_sgd_(part.w, part.d, b, h["weightDecay"], h["momentum"], h["lr"], h["dampening"], h["nesterov"] != 0,
                      h["maximize"] != 0, first);
    }
    // Not before they hold numbers: memory may have run out.
    if (has_momentum && first)
      for (size_t i = 0; i < part.index.size(); i++) momentum_buffer_[part.index[i]] = b[i];
  }

  // LibTorch's fused kernel for CPUs leaves most weights of half precision as they are, up to 2.13 at least:
  // https://github.com/pytorch/pytorch/issues/191763
  static bool has_no_fused_kernel(const at::Tensor& w) { return w.is_cpu() && (w.scalar_type() == at::kHalf || w.scalar_type() == at::kBFloat16); }
  static void plain(const Part& part, const Tensors& b, bool first) {
    const auto& h = part.h;
    auto g = gradient(part, h["weightDecay"]);
    if (!b.empty()) {
      if (first) {
        at::_foreach_copy_(b, g);
      } else {
        at::_foreach_mul_(b, h["momentum"]);
        at::_foreach_add_(b, g, 1 - h["dampening"]);
      }
      g = h["nesterov"] != 0 ? at::_foreach_add(g, b, h["momentum"]) : b;
    }
    at::_foreach_add_(part.w, g, -h["lr"]);
  }

  Tensors& momentum_buffer_ = keep("momentum_buffer");
};

}  // namespace

std::unique_ptr<Base> sgd(size_t parameters) { return std::make_unique<Sgd>(parameters); }

}  // namespace steppe::optim
