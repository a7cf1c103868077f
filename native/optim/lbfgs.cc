#include <ATen/ops/abs.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <tuple>

#include "../errors.h"
#include "bases.h"
#include "minimizer.h"
#include "strong_wolfe.h"

namespace steppe::optim {
namespace {

constexpr double kLineTolerance = 1e-9;  // of the line search, whatever toleranceChange is: torch.optim does not hand that on

double inner(const at::Tensor& a, const at::Tensor& b) { return a.dot(b).item<double>(); }
double largest(const at::Tensor& x) { return x.abs().max().item<double>(); }
at::Tensor scalar(double value) { return at::scalar_tensor(value, at::kDouble); }

// All tensors as one vector, zeros where one is undefined.
at::Tensor flat(const Tensors& x, const Tensors& like) {
  Tensors pieces;
  for (size_t k = 0; k < x.size(); k++) pieces.push_back(x[k].defined() ? x[k].reshape({-1}) : at::zeros({like[k].numel()}, like[k].options()));
  return at::cat(pieces);
}

Tensors split(const at::Tensor& x, const Tensors& like) {
  Tensors result;
  int64_t offset = 0;
  for (const auto& each : like) {
    result.push_back(x.narrow(0, offset, each.numel()).view(each.sizes()));
    offset += each.numel();
  }
  return result;
}

bool all_finite(const Tensors& x) {
  for (const auto& each : x)
    if (!at::isfinite(each).all().item<bool>()) return false;
  return true;
}

// What L-BFGS keeps from iteration to iteration. Vectors are never written to, so that a copy of this is a way back.
struct Memory {
  int64_t evaluations = 0, iterations = 0;
  at::Tensor d, g;              // last direction, and the gradient that it was made from
  double t = 0, f = 0;          // last step length, and the loss before it
  double h_diagonal = 1;        // first guess of the inverse Hessian
  std::deque<at::Tensor> y, s;  // changes of the gradient and of the point
  std::deque<double> ro;        // 1/⟨y, s⟩
};

// torch.optim.LBFGS (Liu and Nocedal, Mathematical Programming 45, 1989), iteration by iteration.
class Lbfgs : public Base, public Minimizer {
 public:
  using Base::Base;
  Minimizer* minimizer() override { return this; }

  Tensors minimize(const Tensors& w, const Objective& objective, const Hyperparameters& h) override {
    if (shown_) take_back(w);
    const Memory before = memory_;
    Tensors w_before;
    for (const auto& each : w) w_before.push_back(each.clone());
    const auto restore = [&] {
      for (size_t k = 0; k < w.size(); k++) w[k].copy_(w_before[k]);
      memory_ = before;
    };
    at::Tensor bad;
    try {
      bad = iterate(w, objective, h);
      if (!bad.defined() && !all_finite(w)) bad = flat(w, w);
    } catch (...) {
      restore();
      throw;
    }
    if (!bad.defined()) return {};
    restore();
    return split(bad, w);
  }

  std::vector<std::pair<std::string, Tensors*>> state() override {
    show();
    return Base::state();
  }

 protected:
  void update(const Part&) override { fail(Code::internal, "L-BFGS takes its gradients itself."); }

 private:
  // The iterations of one step. Returns a gradient that is not finite, if the search arrived at one.
  at::Tensor iterate(const Tensors& w, const Objective& objective, const Hyperparameters& h);
  void show();
  void take_back(const Tensors& w);

  Memory memory_;
  bool shown_ = false;  // the tensors below hold the memory: they may have been read, or set from a file

  // One tensor each, in the place of the first parameter, as PyTorch has it.
  Tensors &func_evals_ = keep("func_evals"), &n_iter_ = keep("n_iter"), &d_ = keep("d"), &t_ = keep("t"), &old_dirs_ = keep("old_dirs"),
          &old_stps_ = keep("old_stps"), &ro_ = keep("ro"), &h_diag_ = keep("H_diag"), &prev_flat_grad_ = keep("prev_flat_grad"),
          &prev_loss_ = keep("prev_loss");
};

at::Tensor Lbfgs::iterate(const Tensors& w, const Objective& objective, const Hyperparameters& h) {
  auto& m = memory_;
  const double lr = h["lr"], tolerance_grad = h["toleranceGrad"], tolerance_change = h["toleranceChange"];
  const auto max_iterations = static_cast<int64_t>(h["maxIter"]);
  const auto max_evaluations = std::isnan(h["maxEval"]) ? max_iterations * 5 / 4 : static_cast<int64_t>(h["maxEval"]);
  int64_t evaluations = 0;
  const auto evaluate = [&](const Tensors& point) {
    evaluations++;
    m.evaluations++;
    const auto result = objective(point);
    return std::pair(result.loss, flat(result.g, w));
  };
  auto [f, g] = evaluate(w);
  double steepness = largest(g);
  if (steepness <= tolerance_grad) return {};

  for (int64_t n = 1; n <= max_iterations; n++) {
    m.iterations++;
    if (m.iterations == 1) {
      m.d = g.neg();
      m.h_diagonal = 1;
    } else {
      const auto y = g.sub(m.g), s = m.d.mul(m.t);
      const double ys = inner(y, s);
      const auto history = static_cast<size_t>(h["historySize"]);
      if (ys > 1e-10) {
        while (m.y.size() >= history) m.y.pop_front(), m.s.pop_front(), m.ro.pop_front();
        m.y.push_back(y);
        m.s.push_back(s);
        m.ro.push_back(1 / ys);
        m.h_diagonal = ys / inner(y, y);
      }
      // d = −H g, by the two loops over the history.
      auto d = g.neg();
      std::vector<double> al(m.y.size());
      for (size_t i = m.y.size(); i-- > 0;) {
        al[i] = inner(m.s[i], d) * m.ro[i];
        d.add_(m.y[i], -al[i]);
      }
      d.mul_(m.h_diagonal);
      for (size_t i = 0; i < m.y.size(); i++) d.add_(m.s[i], al[i] - inner(m.y[i], d) * m.ro[i]);
      m.d = d;
    }
    m.g = g;
    m.f = f;

    m.t = m.iterations == 1 ? std::min(1.0, 1 / g.abs().sum().item<double>()) * lr : lr;
    const double slope = inner(g, m.d);
    if (slope > -tolerance_change) break;
    const auto d = split(m.d, w);
    const auto move = [&](double t) {
      for (size_t k = 0; k < w.size(); k++) w[k].add_(d[k], t);
    };
    if (h["lineSearchFn"] != 0) {
      const auto at = [&](double t) {
        Tensors point;
        for (size_t k = 0; k < w.size(); k++) point.push_back(at::empty_like(w[k]).copy_(w[k]).add_(d[k], t));
        auto [f_t, g_t] = evaluate(point);
        return LinePoint{t, f_t, g_t, inner(g_t, m.d)};
      };
      const auto found = strong_wolfe(at, {0, f, g, slope}, m.t, largest(m.d), kLineTolerance, max_evaluations - evaluations);
      f = found.f;
      g = found.g;
      m.t = found.t;
      move(m.t);
    } else {
      move(m.t);
      // The last iteration's gradient would not be used.
      if (n < max_iterations) std::tie(f, g) = evaluate(w);
    }
    steepness = largest(g);
    if (!std::isfinite(steepness) || !std::isfinite(f)) return g;

    if (n == max_iterations || evaluations >= max_evaluations || steepness <= tolerance_grad) break;
    if (largest(m.d) * std::abs(m.t) <= tolerance_change || std::abs(f - m.f) < tolerance_change) break;
  }
  return {};
}

void Lbfgs::show() {
  const auto& m = memory_;
  if (shown_ || m.evaluations == 0) {
    shown_ = true;
    return;
  }
  func_evals_[0] = scalar(static_cast<double>(m.evaluations));
  n_iter_[0] = scalar(static_cast<double>(m.iterations));
  if (m.d.defined()) {
    d_[0] = m.d;
    t_[0] = scalar(m.t);
    h_diag_[0] = scalar(m.h_diagonal);
    prev_flat_grad_[0] = m.g;
    prev_loss_[0] = scalar(m.f);
  }
  if (!m.y.empty()) {
    old_dirs_[0] = at::stack(Tensors(m.y.begin(), m.y.end()));
    old_stps_[0] = at::stack(Tensors(m.s.begin(), m.s.end()));
    Tensors ro;
    for (const auto each : m.ro) ro.push_back(scalar(each));
    ro_[0] = at::stack(ro);
  }
  shown_ = true;
}

void Lbfgs::take_back(const Tensors& w) {
  shown_ = false;
  const auto number = [](at::Tensor& x) {
    const double value = x.defined() ? x.item<double>() : 0;
    x.reset();
    return value;
  };
  int64_t elements = 0;
  for (const auto& each : w) elements += each.numel();
  const auto vector = [&](at::Tensor& x) {
    const auto value = x.defined() ? x.to(w[0].device(), w[0].scalar_type()) : x;
    if (value.defined() && value.size(-1) != elements) fail(Code::argument, "The state of L-BFGS is of other parameters.");
    x.reset();
    return value;
  };
  Memory m;
  m.evaluations = static_cast<int64_t>(number(func_evals_[0]));
  m.iterations = static_cast<int64_t>(number(n_iter_[0]));
  m.d = vector(d_[0]);
  m.g = vector(prev_flat_grad_[0]);
  m.t = number(t_[0]);
  m.f = number(prev_loss_[0]);
  m.h_diagonal = number(h_diag_[0]);
  const auto y = vector(old_dirs_[0]), s = vector(old_stps_[0]);
  if (m.iterations > 0 && !(m.d.defined() && m.g.defined())) fail(Code::argument, "The state of L-BFGS lacks d or prev_flat_grad.");
  if (y.defined()) {
    if (!s.defined() || !ro_[0].defined() || s.sizes() != y.sizes() || ro_[0].numel() != y.size(0)) fail(Code::argument, "The state of L-BFGS has histories of different lengths.");
    const auto ro = ro_[0].to(at::kCPU, at::kDouble).contiguous();
    for (int64_t i = 0; i < y.size(0); i++) {
      // Tensors of their own, that can be let go one by one.
      m.y.push_back(y[i].clone());
      m.s.push_back(s[i].clone());
      m.ro.push_back(ro.const_data_ptr<double>()[i]);
    }
  }
  ro_[0].reset();
  memory_ = std::move(m);
}

}  // namespace

std::unique_ptr<Base> lbfgs(size_t parameters) { return std::make_unique<Lbfgs>(parameters); }

}  // namespace steppe::optim
