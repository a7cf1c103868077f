// What a method does with each piece of a batch, and pieces at the same time: mSAM's shards.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "../device/accelerator.h"
#include "../errors.h"
#include "../kernel_threads.h"
#include "../step_memory.h"
#include "engine.h"
#include "weighted_sum.h"

namespace steppe::sam {
namespace {

// Calls job(j, thread) for j from 0 to count − 1 on at most `threads` threads; lower j begin first. Waits for all of them. The
// threads are those of this thread's kernels: they watch for work between kernels anyway, and others beside them would be more
// than there are processors. Within a job LibTorch's kernels have one thread, so that their numbers do not depend on how many there are;
// those of our own, whose numbers never do, have the threads that have no job, too.
void at_the_same_time(size_t count, size_t threads, const std::function<void(size_t j, size_t thread)>& job) {
  const auto context = device::Context::here();
  std::atomic<size_t> next{0};
  on_crews(static_cast<int64_t>(threads), [&](int64_t thread) {
    context.enter();
    OneKernelThread one;
    StepMemory memory(thread);  // what a job makes between its passes, too
    for (size_t j = next++; j < count; j = next++) job(j, static_cast<size_t>(thread));
  });
}

bool was_stopped(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Failure& other) {
    return other.code == Code::closed;
  } catch (...) {
    return false;
  }
}

}  // namespace

Tensors Engine::sum_of_pieces(const Step& step, const std::vector<Piece>& pieces, Report& report) {
  TurnOrder order(pieces.size());
  // A GPU takes its work from one thread as fast as from several.
  if (pieces.size() > 1 && std::all_of(w_.begin(), w_.end(), [](const auto& w) { return w.is_cpu(); })) {
    std::vector<std::unique_ptr<Passes>> passes;
    for (size_t j = 0; j < pieces.size(); j++) {
      auto beside = step.passes.beside(order, j);
      if (beside == nullptr) break;
      passes.push_back(std::move(beside));
    }
    if (passes.size() == pieces.size()) return sum_at_the_same_time(step, pieces, std::move(passes), order, report);
  }
  WeightedSum d;
  for (const auto& piece : pieces) {
    d.add(piece_direction(step, piece, report), piece.weight);
    step.passes.begin_piece();
  }
  return d.take();
}

Tensors Engine::sum_at_the_same_time(const Step& step, const std::vector<Piece>& pieces, std::vector<std::unique_ptr<Passes>> passes,
                                     TurnOrder& order, Report& report) {
  const size_t count = pieces.size();
  const size_t threads = std::min(count, static_cast<size_t>(at::get_num_threads()));
  shard_points_.resize(std::max(shard_points_.size(), threads));

  struct Result {
    Tensors d;
    Report report;
    bool ready = false;
    std::exception_ptr failure;
  };
  std::vector<Result> results(count);
  WeightedSum d;
  size_t summed = 0;
  std::mutex mutex;
  at_the_same_time(count, threads, [&](size_t j, size_t thread) {
    if (order.has_failed_before(j)) return;
    at::NoGradGuard no_grad;
    try {
      const Step own{step.w,    step.names,  step.in_subset,        step.group_of, step.groups,
                     step.base, *passes[j], shard_points_[thread], step.number, step.perturbs};
      auto part = piece_direction(own, pieces[j], results[j].report);
      // In the order of the shards, whichever is done first; what is summed is let go of.
      std::lock_guard lock(mutex);
      results[j].d = std::move(part);
      results[j].ready = true;
      for (; summed < count && results[summed].ready; summed++) d.add(std::exchange(results[summed].d, {}), pieces[summed].weight);
    } catch (...) {
      results[j].failure = std::current_exception();
      order.fail(j);
    }
  });
  // A shard that failed stopped those after it. As if they had come one after the other, the first one's failure is the step's.
  const auto failed = std::find_if(results.begin(), results.end(), [](const auto& each) { return each.failure != nullptr && !was_stopped(each.failure); });
  if (failed != results.end()) {
    for (auto j = failed - results.begin(); j >= 0 && !passes[j]->return_noise(); j--) {
    }
    std::rethrow_exception(failed->failure);
  }
  for (const auto& [part, found, ready, failure] : results) {
    if (failure != nullptr) std::rethrow_exception(failure);  // the environment is shutting down
    report.loss += found.loss;
    report.grad_norm += found.grad_norm;
    report.has_gradient |= found.has_gradient;
    if (found.perturbed_loss.has_value()) report.perturbed_loss = report.perturbed_loss.value_or(0) + *found.perturbed_loss;
  }
  return d.take();
}

// From the gradient that climbs to the piece's share of d.
Tensors Engine::piece_direction(const Step& step, const Piece& piece, Report& report) {
  const bool climbs_by_pass = method_.climb->takes_pass();
  auto g = (*method_.climb)(step, piece);
  if (climbs_by_pass) {
    report_gradient(g, piece, report);
    if (!method_.when->after(g, step)) return method_.combine->plain(g, step);
  }
  const bool climbs = !g.g.empty();
  Perturbation epsilon;
  if (climbs) {
    auto direction = method_.combine->reads_gradient() ? g.g : std::exchange(g.g, {});
    epsilon = (*method_.ascent)({.g = std::move(direction), .norm = g.norm, .is_measured = g.is_measured}, step, piece);
  }
  const Query query{(*method_.descend)(g, epsilon, step, piece), /*moves_buffers=*/!climbs_by_pass};
  auto point = step.point.move(step.w, method_.combine->reads_perturbation() ? epsilon : std::move(epsilon));
  auto g_p = step.at(step.passes, std::move(point), query, climbs_by_pass ? "the second pass's" : "the");
  if (!climbs_by_pass) report_gradient(g_p, piece, report);
  if (climbs) report.perturbed_loss = report.perturbed_loss.value_or(0) + piece.weight * g_p.loss;
  return (*method_.combine)(g, g_p, epsilon, step, piece);
}

void Engine::report_gradient(const Gradient& gradient, const Piece& piece, Report& report) const {
  report.has_gradient = true;
  if (piece.reports_loss) report.loss += piece.weight * gradient.loss;
  report.grad_norm += piece.weight * gradient.norm;
}

}  // namespace steppe::sam
