#include "passes.h"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/index_select.h>
#include <torch/csrc/autograd/autograd.h>

#include <limits>
#include <tuple>
#include <utility>

#include "../errors.h"
#include "../kernel_threads.h"
#include "../step_tensors.h"
#include "vectors.h"

namespace steppe::sam {
namespace {

// Samples [begin, begin + count) of a batch, as narrow gives them.
at::Tensor samples_of(const at::Tensor& x, int64_t begin, int64_t count) {
  if (x.layout() != at::kStrided || begin < 0 || count < 0 || begin + count > x.size(0)) return x.narrow(0, begin, count);
  auto sizes = x.sizes().vec();
  sizes[0] = count;
  return view_of(x, sizes, x.strides(), begin * x.stride(0));
}

// With sameNoise every pass of a piece starts from the generators' state at the piece's start.
void share_noise(NoiseState& noise) {
  if (noise.saved()) {
    noise.restore();
  } else {
    noise.save();
  }
}

}  // namespace

Gradient finished(const at::Tensor& loss, Tensors gradients, double loss_scale, at::Tensor sample_losses) {
  Gradient result{std::numeric_limits<double>::quiet_NaN(), loss_scale == 1 ? std::move(gradients) : scaled(std::move(gradients), 1 / loss_scale)};
  if (loss.defined()) {
    std::tie(result.norm, result.loss) = norm_with(result.g, loss);
  } else {
    result.norm = norm(result.g);
  }
  result.sample_losses = std::move(sample_losses);
  return result;
}

Tensors drawing_places(Tensors inputs, const ProgramPasses::Programs& programs) {
  const auto& options = programs.begin()->second->loss_options;
  if (!options.device().is_cpu()) inputs.push_back(at::empty({0}, options));
  return inputs;
}

Tensors ProgramPasses::drawing_places() const { return sam::drawing_places(inputs(), programs_); }

ProgramPasses::ProgramPasses(std::map<Key, std::shared_ptr<Program>> programs, Tensors buffers, std::vector<Input> inputs, int64_t batch_size,
                             Settings settings, const std::atomic<bool>& cancelled)
    : programs_(std::move(programs)), buffers_(std::move(buffers)), inputs_(std::move(inputs)), batch_size_(batch_size), settings_(settings),
      noise_(sam::drawing_places(this->inputs(), programs_)),
      cancelled_(cancelled) {
  for (const auto& [key, program] : programs_) draws_ |= program->draws;
}

const Program& ProgramPasses::program_for(const Query& query) const {
  const auto& [begin, count, chosen] = query.samples;
  const auto size = chosen.defined() ? chosen.numel() : count < 0 ? batch_size_ : count;
  const auto found = programs_.find({size, query.objective});
  if (found == programs_.end()) fail(Code::internal, "No program was recorded for " + std::to_string(size) + " samples.");
  return *found->second;
}

Program::Outcome ProgramPasses::run(Tensors point, const Query& query, bool with_backward) {
  at::NoGradGuard no_grad;
  const auto& program = program_for(query);
  const auto& [begin, count, chosen] = query.samples;
  const bool whole = !chosen.defined() && (count < 0 || count == batch_size_);
  Tensors inputs;
  for (const auto& [tensor, batched] : inputs_) {
    if (whole || !batched) {
      inputs.push_back(tensor);
    } else if (chosen.defined()) {
      HeldKernelThreads::let_go();
      inputs.push_back(at::index_select(tensor, 0, chosen));
    } else {
      inputs.push_back(samples_of(tensor, begin, count));
    }
  }
  Tensors buffers = query.moves_buffers && !pending_.empty() ? pending_ : buffers_, copies, originals;
  for (const auto b : program.changed_buffers) {
    if (query.moves_buffers && turns_.order != nullptr) break;  // shared copies
    if (query.moves_buffers && !pending_.empty() && !pending_[b].is_same(buffers_[b])) continue;  // a copy already
    originals.push_back(buffers[b]);
    buffers[b] = new_like(buffers[b]);
    copies.push_back(buffers[b]);
  }
  copy(copies, originals);
  if (shared_noise_.has_value()) {
    shared_noise_->begin_pass();
    if (shared_noise_->is_first_pass() && !query.moves_buffers) fail(Code::internal, "The first pass of a shard that draws random numbers must come in its turn.");
  } else if (settings_.same_noise && draws_) {
    share_noise(noise_);
  }
  at::Tensor seed;
  if (settings_.loss_scale != 1) seed = at::full(program.loss_shape, settings_.loss_scale, program.loss_options);
  Program::Slots slots{std::move(point), buffers, inputs, seed, query.moves_buffers ? turns_ : OrderedRun{}, shared_noise_.has_value() ? &*shared_noise_ : nullptr};
  auto outcome = with_backward ? program.run(std::move(slots), cancelled_) : program.forward(std::move(slots), cancelled_);
  if (query.moves_buffers && !program.changed_buffers.empty()) pending_ = std::move(buffers);
  buffers.clear();
  for (auto* ours : {&inputs, &copies}) retire(*ours);
  return outcome;
}

Gradient ProgramPasses::at(Tensors point, const Query& query) {
  at::NoGradGuard no_grad;
  // Gradients are to lie as the point does, of which nothing may be left then.
  const auto& wanted = program_for(query).layouts;
  std::vector<std::pair<size_t, Program::Layout>> others;  // of those that lie otherwise than the program wants them
  for (size_t k = 0; k < point.size(); k++)
    if (!wanted[k].is_that_of(point[k])) others.emplace_back(k, Program::Layout::of(point[k]));
  auto outcome = run(std::move(point), query, true);
  auto other = others.begin();
  for (size_t k = 0; k < outcome.gradients.size(); k++) {
    const auto& [sizes, strides, strided, dtype] = other != others.end() && other->first == k ? (other++)->second : wanted[k];
    lay_out(outcome.gradients[k], sizes, strides, dtype);
  }
  const auto& extras = outcome.extras;
  if (query.objective == Objective::climbed) return finished(extras.at(0), std::move(outcome.gradients), settings_.loss_scale);
  auto gradient = finished(outcome.loss, std::move(outcome.gradients), settings_.loss_scale, extras.empty() ? at::Tensor() : extras[0]);
  retire(outcome.loss);
  return gradient;
}

at::Tensor ProgramPasses::sample_losses(const Tensors& point, const Query& query) {
  const auto extras = run(point, query, false).extras;
  if (extras.empty()) fail(Code::internal, "This program gives no loss per sample.");
  return extras[0];
}

double ProgramPasses::loss(const Tensors& point, const Query& query) { return run(point, query, false).loss.item<double>(); }

void ProgramPasses::commit() {
  at::NoGradGuard no_grad;
  Tensors to, from;
  for (size_t b = 0; b < pending_.size(); b++) {
    if (pending_[b].is_same(buffers_[b])) continue;
    to.push_back(buffers_[b]);
    from.push_back(std::exchange(pending_[b], {}));
  }
  copy(to, from);
  retire(from);
  pending_.clear();
}

std::unique_ptr<Passes> ProgramPasses::beside(TurnOrder& order, size_t run) {
  const auto& turns = programs_.begin()->second->turns;
  for (const auto& [key, program] : programs_) {
    // Autograd's backward has threads of its own; other turns cannot be told apart.
    if (!program->backward_obstacle.empty() || program->turns != turns || program->draws_elsewhere) return nullptr;
    // Unless all passes of a shard draw the same numbers, the last of them draws before the next shard's first.
    if (program->draws && !settings_.same_noise) return nullptr;
  }
  for (const auto& input : inputs_)
    if (!input.tensor.is_cpu()) return nullptr;
  Tensors copies, originals;
  for (const auto& [key, program] : programs_) {
    for (const auto b : program->changed_buffers) {
      if (pending_.empty()) pending_ = buffers_;
      if (!pending_[b].is_same(buffers_[b])) continue;
      pending_[b] = new_like(buffers_[b]);
      copies.push_back(pending_[b]);
      originals.push_back(buffers_[b]);
    }
  }
  copy(copies, originals);
  auto result = std::make_unique<ProgramPasses>(programs_, buffers_, inputs_, batch_size_, settings_, cancelled_);
  result->pending_ = pending_;
  result->turns_ = {&order, run};
  if (draws_) result->shared_noise_.emplace();
  return result;
}

bool ProgramPasses::return_noise() const {
  if (!shared_noise_.has_value() || !shared_noise_->after_first_pass().defined()) return false;
  auto generator = at::globalContext().defaultGenerator(at::kCPU);
  set_generator_state(generator, shared_noise_->after_first_pass());
  return true;
}

Tensors ProgramPasses::inputs() const {
  Tensors tensors;
  for (const auto& input : inputs_) tensors.push_back(input.tensor);
  return tensors;
}

std::shared_ptr<Passes> ProgramPasses::keep(const Tensors& given) const {
  auto inputs = inputs_;
  if (!given.empty() && given.size() != inputs.size()) fail(Code::argument, "The loaded state holds another number of tensors in its last batch.");
  auto batch_size = batch_size_;
  bool fits = true, counted = false;
  for (size_t i = 0; i < inputs.size(); i++) {
    auto& [tensor, batched] = inputs[i];
    if (given.empty()) {
      tensor = tensor.clone();
      continue;
    }
    const size_t samples = batched ? 1 : 0;
    fits &= given[i].dim() == tensor.dim() && given[i].scalar_type() == tensor.scalar_type();
    fits = fits && given[i].sizes().slice(samples) == tensor.sizes().slice(samples);
    if (fits && batched && !std::exchange(counted, true)) batch_size = given[i].size(0);
    tensor = given[i];
  }
  if (!given.empty() && (!fits || !programs_.contains({batch_size, Objective::loss}))) {
    fail(Code::argument, "The first step after loading this state needs a batch of the shapes and dtypes of the last one before saving, but for the number of samples.");
  }
  return std::make_shared<ProgramPasses>(programs_, buffers_, std::move(inputs), batch_size, settings_, cancelled_);
}

Gradient ClosurePasses::at(Tensors point, const Query& query) {
  HeldKernelThreads::let_go();
  Tensors saved, buffers_before;
  {
    // All that takes memory comes before anything changes.
    at::NoGradGuard no_grad;
    for (const auto& buffer : buffers_) buffers_before.push_back(buffer.clone());
    for (size_t k = 0; k < parameters_.size(); k++) saved.push_back(point[k].is_same(parameters_[k]) ? at::Tensor() : parameters_[k].clone());
  }
  const auto restore = [&](bool keep_buffers) {
    at::NoGradGuard no_grad;
    for (size_t k = 0; k < parameters_.size(); k++)
      if (saved[k].defined()) parameters_[k].copy_(saved[k]);
    at::autocast::clear_cache();
    if (keep_buffers) {
      pending_.clear();
      for (const auto& buffer : buffers_) pending_.push_back(buffer.clone());
    }
    for (size_t b = 0; b < buffers_.size(); b++) buffers_[b].copy_(buffers_before[b]);
  };
  at::Tensor loss;
  Tensors g(parameters_.size());
  try {
    {
      at::NoGradGuard no_grad;
      if (!pending_.empty() && query.moves_buffers)
        for (size_t b = 0; b < buffers_.size(); b++) buffers_[b].copy_(pending_[b]);
      for (size_t k = 0; k < parameters_.size(); k++)
        if (saved[k].defined()) parameters_[k].copy_(point[k]);
      at::autocast::clear_cache();  // of the weights as they were
    }
    if (settings_.same_noise) share_noise(noise_);
    c10::AutoGradMode with_grad(true);
    const auto result = call_(query.objective);
    Tensors wanted;
    for (const auto& parameter : parameters_)
      if (parameter.requires_grad()) wanted.push_back(parameter);
    const auto seed = at::full_like(result.objective.detach(), settings_.loss_scale);
    const auto gradients = torch::autograd::grad({result.objective}, wanted, {seed}, false, false, /*allow_unused=*/true);
    loss = result.loss.detach().clone();  // it may look at memory that is about to be put back
    for (size_t k = 0, i = 0; k < parameters_.size(); k++)
      if (parameters_[k].requires_grad()) g[k] = gradients[i++];
  } catch (...) {
    restore(false);
    throw;
  }
  restore(query.moves_buffers);
  at::NoGradGuard no_grad;
  lay_out_like(g, parameters_);
  return finished(loss, std::move(g), settings_.loss_scale);
}

at::Tensor ClosurePasses::sample_losses(const Tensors&, const Query&) {
  fail(Code::argument, "The batch of a closure cannot be cut, as this method wants: use compile().");
}

double ClosurePasses::loss(const Tensors&, const Query&) { fail(Code::internal, "A closure's passes have no forward alone."); }

void ClosurePasses::commit() {
  at::NoGradGuard no_grad;
  for (size_t b = 0; b < pending_.size(); b++) buffers_[b].copy_(pending_[b]);
}

std::shared_ptr<Passes> ClosurePasses::keep(const Tensors&) const {
  fail(Code::argument, "This method needs the last step's batch again, which a closure cannot give: use compile().");
}

}  // namespace steppe::sam
