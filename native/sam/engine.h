#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../optim/base.h"
#include "method.h"

namespace steppe::sam {

// What a step tells the user.
struct Report {
  double loss = 0, grad_norm = 0;
  std::optional<double> perturbed_loss;  // none if no pass was taken at a perturbed point
  bool skipped = false;
};

struct Settings {
  std::string method, base;
  Options options;
  double max_grad_norm = 0;  // 0: no clipping
  int64_t start_step = 0;    // that many of the base optimizer's own steps come first
  bool same_noise = true;
  bool throw_non_finite = true;
};

// One optimizer: w, the method's parts, the base optimizer. A step runs on one thread at a time, on whichever.
class Engine {
 public:
  Engine(Settings settings, Tensors parameters, std::vector<std::string> names, Tensors buffers, std::vector<uint32_t> group_of);

  Report step(Passes& passes, const optim::Groups& groups);

  // The numbers of samples that the passes of a step over such a batch run over, each once.
  std::vector<int64_t> sample_counts(int64_t batch_size) const;

  const Tensors& parameters() const { return w_; }
  const Tensors& buffers() const { return buffers_; }
  optim::Base& base() { return *base_; }
  Ascent* ascent() { return method_.ascent.get(); }
  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }

  // Set on the JavaScript thread; each step takes the groups that were set when it was asked for.
  std::shared_ptr<const optim::Groups> groups = std::make_shared<optim::Groups>();

 private:
  struct NonFinite {
    std::string message;
  };
  Tensors base_direction(const Step& step, Report& report);
  Tensors perturbed_direction(const Step& step, Report& report);
  const Tensors& perturbed(const Tensors& direction, double scale);
  void require_finite(const Gradient& gradient, const char* where) const;
  void clip(Tensors& d) const;

  Settings settings_;
  Tensors w_;
  std::vector<std::string> names_;
  Tensors buffers_;
  std::vector<uint32_t> group_of_;
  Method method_;
  std::unique_ptr<optim::Base> base_;
  Tensors point_, point_storage_;  // w + ε; its memory is kept from step to step
  int64_t steps_ = 0;              // steps that were not skipped
};

}  // namespace steppe::sam
