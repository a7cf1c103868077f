#include "accumulated_passes.h"

#include <utility>

#include "../errors.h"

namespace steppe::sam {

double WeightedMean::include(const Tensors& x, double its_weight) {
  weight += its_weight;
  if (value.empty()) {
    value = x;
    return 1;
  }
  const double share = weight > 0 ? its_weight / weight : 1;
  value = combination(1 - share, std::move(value), share, x);
  return share;
}

void AccumulatedPasses::include(std::shared_ptr<Passes> micro, Tensors generators) {
  const auto samples = micro->batch_size();
  // Its first pass may come late, after others have drawn.
  if (!generators.empty() && micro->same_noise()) micro->set_noise(generators);
  micros_.push_back({std::move(micro), samples < 0 ? 1.0 : static_cast<double>(samples), std::move(generators)});
}

void AccumulatedPasses::clear() {
  micros_.clear();
  ahead_ = {};
  moved_.clear();
}

std::optional<Gradient> AccumulatedPasses::pass_ahead(Objective objective) {
  if (ahead_.micros + 1 != micros_.size() || (ahead_.micros > 0 && ahead_.objective != objective)) return std::nullopt;
  ahead_.objective = objective;
  return pass(ahead_, w_, {.moves_buffers = true, .objective = objective});
}

void AccumulatedPasses::catch_up(Objective objective, bool draws) {
  ahead_.objective = objective;
  while (ahead_.micros < micros_.size()) {
    if (draws) {
      const auto& micro = micros_[ahead_.micros];
      NoiseState noise(micro.passes->drawing_places());
      noise.set(micro.generators);
      noise.restore();
    }
    pass(ahead_, w_, {.moves_buffers = true, .objective = objective});
  }
}

Passes& AccumulatedPasses::begin_last() {
  auto& passes = *micros_.back().passes;
  passes.set_moved_buffers(moved_);
  return passes;
}

void AccumulatedPasses::end_last() { moved_ = micros_.back().passes->moved_buffers(); }

// The next micro-batch's share of a pass.
Gradient AccumulatedPasses::pass(Sum& sum, Tensors point, const Query& query) {
  auto& [passes, weight, generators] = micros_[sum.micros];
  if (query.moves_buffers) passes->set_moved_buffers(moved_);
  auto gradient = passes->at(std::move(point), query);
  if (query.moves_buffers) moved_ = passes->moved_buffers();
  const double share = sum.gradient.include(gradient.g, weight);
  sum.loss = sum.micros == 0 ? gradient.loss : (1 - share) * sum.loss + share * gradient.loss;
  sum.micros++;
  return gradient;
}

Gradient AccumulatedPasses::at(Tensors point, const Query& query) {
  Sum sum;
  if (query.moves_buffers) {
    bool at_w = true;
    for (size_t k = 0; k < point.size(); k++) at_w = at_w && point[k].is_same(w_[k]);
    if (at_w && ahead_.objective == query.objective) sum = std::move(ahead_);
    ahead_ = {};
    if (sum.micros == 0) moved_.clear();
  }
  while (sum.micros < micros_.size()) pass(sum, sum.micros + 1 == micros_.size() ? std::move(point) : point, query);
  Gradient result{sum.loss, std::move(sum.gradient.value)};
  result.norm = norm(result.g);
  return result;
}

void AccumulatedPasses::begin_piece() {
  if (!kept_) return;
  for (const auto& micro : micros_) micro.passes->begin_piece();
}

at::Tensor AccumulatedPasses::sample_losses(const Tensors&, const Query&) {
  fail(Code::internal, "The samples of an accumulated step are not together.");
}

double AccumulatedPasses::loss(const Tensors&, const Query&) { fail(Code::internal, "An accumulated step has no forward of its own."); }

std::shared_ptr<Passes> AccumulatedPasses::keep(const Tensors& given) const {
  auto kept = std::make_shared<AccumulatedPasses>(w_);
  kept->kept_ = true;
  size_t used = 0;
  for (const auto& [passes, weight, generators] : micros_) {
    Tensors own;
    const size_t count = given.empty() ? 0 : passes->inputs().size();
    for (size_t i = 0; i < count && used < given.size(); i++) own.push_back(given[used++]);
    if (own.size() != count) fail(Code::argument, "The loaded state holds another number of tensors in its last batch.");
    kept->include(passes->keep(own), {});
  }
  if (used != given.size()) fail(Code::argument, "The loaded state holds another number of tensors in its last batch.");
  return kept;
}

Tensors AccumulatedPasses::inputs() const {
  Tensors all;
  for (const auto& micro : micros_)
    for (const auto& tensor : micro.passes->inputs()) all.push_back(tensor);
  return all;
}

}  // namespace steppe::sam
