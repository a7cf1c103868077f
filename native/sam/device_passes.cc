#include "device_passes.h"

#include <ATen/ops/isfinite.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>

#include "../errors.h"
#include "accumulated_passes.h"
#include "device_numbers.h"

namespace steppe::sam {

void DeviceNoise::remember() {
  if (draws_) start_.save();
}

void DeviceNoise::begin_step(device::Graph* captured) {
  captured_ = captured;
  begin_piece();
}

void DeviceNoise::begin_piece() {
  passes_ = 0;
  piece_.forget();
}

void DeviceNoise::begin_pass() {
  if (!draws_ || !same_) return;
  const auto pass = passes_++;
  sequences_ = std::max(sequences_, passes_);
  // In a graph nothing can be put back: each pass of a piece has a sequence of its own, all of the same numbers. Every pass of a
  // piece draws as many, where there are several pieces, so that those of the next one begin at the same place again.
  if (captured_ != nullptr) {
    captured_->draw_from(pass);
  } else if (starts_ != nullptr) {
    (*starts_)[pass % starts_->size()].restore();
  } else if (piece_.saved()) {
    piece_.restore();
  } else {
    piece_.save();
  }
}

device::RepeatedWork::Noise DeviceNoise::needs(at::Device device) const {
  device::RepeatedWork::Noise noise{sequences_};
  if (draws_ && same_ && starts_ != nullptr)
    for (size_t pass = 0; pass < sequences_; pass++) noise.states.push_back((*starts_)[pass % starts_->size()].state_on(device));
  return noise;
}

void DeviceNoise::take_back() {
  if (draws_) start_.restore();
}

DevicePass pass_on_device(const Program& program, const Program::Slots& slots, Objective objective, const at::Tensor& loss_scale, const Tensors& w,
                          const std::atomic<bool>& cancelled) {
  auto scaled = slots;
  if (loss_scale.defined()) scaled.seed = at::ones(program.loss_shape, program.loss_options).mul_(loss_scale.to(program.loss_options.dtype().toScalarType()));
  auto outcome = program.run(std::move(scaled), cancelled);
  DevicePass pass{objective == Objective::climbed ? outcome.extras.at(0) : outcome.loss, std::move(outcome.gradients)};
  pass.loss = pass.loss.reshape({}).to(at::kDouble);
  lay_out_like(pass.g, w);
  if (loss_scale.defined()) pass.g = there::scaled(pass.g, loss_scale.reciprocal());
  return pass;
}

DevicePasses::DevicePasses(const Settings& settings, DeviceNoise& noise, const std::atomic<bool>& cancelled)
    : settings_(settings), noise_(noise), cancelled_(cancelled), changed_(settings.buffers.size()), moved_(settings.sum != nullptr ? settings.sum->buffers : settings.buffers) {
  for (const auto& [key, program] : settings_.programs)
    for (const auto b : program->changed_buffers) changed_[b] = true;
  if (settings_.sum != nullptr) return;
  for (size_t b = 0; b < moved_.size(); b++)
    if (changed_[b]) moved_[b] = moved_[b].clone();
}

void DevicePasses::begin_piece(OrderedRun turns) {
  turns_ = turns;
  noise_.begin_piece();
}

DevicePass DevicePasses::over(const Inputs& batch, const Step& step, const Tensors& point, const Query& query) {
  const auto& [begin, count, chosen] = query.samples;
  const bool whole = count < 0 || count == settings_.batch_size;
  const auto found = settings_.programs.find({whole ? settings_.batch_size : count, query.objective});
  if (found == settings_.programs.end()) fail(Code::internal, "No program was recorded for " + std::to_string(count) + " samples.");
  const auto& program = *found->second;
  Tensors inputs, buffers = query.moves_buffers ? moved_ : settings_.buffers;
  for (const auto& [tensor, batched] : batch) inputs.push_back(whole || !batched ? tensor : tensor.narrow(0, begin, count));
  if (!query.moves_buffers)
    for (const auto b : program.changed_buffers) buffers[b] = buffers[b].clone();
  noise_.begin_pass();
  return pass_on_device(program, {point, buffers, inputs, {}, query.moves_buffers ? turns_ : OrderedRun{}}, query.objective, settings_.loss_scale, step.w, cancelled_);
}

DevicePass DevicePasses::mean(const Step& step, const Tensors& point, const Query& query) {
  if (settings_.sum != nullptr && query.moves_buffers) {
    DevicePass taken{settings_.sum->loss, settings_.sum->g};
    lay_out_like(taken.g, step.w);
    return taken;
  }
  WeightedMean sum;
  at::Tensor loss;
  for (const auto& batch : settings_.batches) {
    auto pass = over(batch, step, point, query);
    const double share = sum.include(pass.g, 1);
    loss = loss.defined() ? loss.mul(1 - share).add_(pass.loss, share) : pass.loss;
  }
  return {loss, std::move(sum.value)};
}

DevicePasses::Gradient DevicePasses::at(const Step& step, const Tensors& point, const Query& query) {
  auto [loss, g] = mean(step, point, query);
  Gradient result{std::move(loss), std::move(g), {}};
  const auto& like = step.w.front();
  result.norm = there::norm(result.g, like);
  finite_.push_back(at::isfinite(result.norm));
  for (size_t k = 0; k < result.g.size(); k++) {
    if (!result.g[k].defined() || step.is_perturbed(k)) continue;
    result.norm = there::norm(step.perturbed_part(result.g), like);
    break;
  }
  step.turn(result.g);
  return result;
}

at::Tensor DevicePasses::bad() const { return at::stack(finite_).all().logical_not(); }

void DevicePasses::commit(const at::Tensor& bad) const {
  for (size_t b = 0; b < moved_.size(); b++)
    if (changed_[b]) there::take_over(settings_.buffers[b], moved_[b], bad);
}

}  // namespace steppe::sam
