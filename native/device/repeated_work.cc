#include "repeated_work.h"

#include <exception>
#include <utility>

namespace steppe::device {
namespace {

// So many runs come before the one that is captured: kernels are loaded and workspaces made at the first.
constexpr int kWarmUps = 2;

}  // namespace

void RepeatedWork::renew() {
  graph_.reset();
  runs_ = 0;
}

void RepeatedWork::operator()(const std::function<void(Graph*)>& work, const Noise& noise, const std::function<void()>& undo) {
  replayed_ = false;
  if (!captures_) return work(nullptr);
  if (graph_ == nullptr) graph_ = std::make_unique<Graph>(device_);
  if (std::exchange(thread_, std::this_thread::get_id()) != std::this_thread::get_id()) runs_ = 0;
  try {
    if (!graph_->is_captured() && runs_ >= kWarmUps) graph_->capture([&] { work(graph_.get()); }, noise.sequences);
    if (graph_->is_captured()) {
      graph_->replay(noise.states);
      replayed_ = true;
    }
  } catch (const std::exception& error) {
    captures_ = false;
    graph_.reset();
    failure_ = error.what();
    undo();
    return work(nullptr);
  }
  if (!replayed_) graph_->warm_up([&] { work(nullptr); });
  runs_++;
}

}  // namespace steppe::device
