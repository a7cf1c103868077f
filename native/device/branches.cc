#include "branches.h"

#include <ATen/DeviceAccelerator.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <map>
#include <utility>

namespace steppe::device {
namespace {

c10::Stream current_stream_of(c10::Device device) { return at::accelerator::getCurrentStream(device.index()); }

// This thread's, for all branches: LibTorch's libraries keep a workspace for each stream that was used. Of high priority, as those of
// graphs are, which are seldom a user's own.
const std::vector<c10::Stream>& streams_of(c10::Device device) {
  constexpr size_t kMost = 8;
  constexpr int kHighPriority = -1;
  thread_local std::map<c10::DeviceIndex, std::vector<c10::Stream>> known;
  auto& streams = known[device.index()];
  while (streams.size() < kMost) streams.push_back(c10::impl::VirtualGuardImpl(device.type()).getNewStream(device, kHighPriority));
  return streams;
}

}  // namespace

void Branches::fork(size_t pieces) {
  if (device_.is_cpu()) return;
  const auto& all = streams_of(device_);
  streams_.assign(all.begin(), all.begin() + std::min(pieces, all.size()));
  c10::Event before(device_.type());
  before.record(current_stream_of(device_));
  for (const auto& stream : streams_) before.block(stream);
}

void Branches::on(size_t piece, const std::function<void()>& work) {
  if (streams_.empty()) return work();
  c10::StreamGuard guard(streams_[piece % streams_.size()]);
  work();
}

void Branches::join() {
  for (const auto& stream : std::exchange(streams_, {})) {
    c10::Event after(device_.type());
    after.record(stream);
    after.block(current_stream_of(device_));
  }
}

bool StreamOrder::wait(size_t run, uint32_t turns) {
  if (run > 0 && turns > 0) turns_[run - 1].at(turns - 1).block(current_stream_of(device_));
  return true;
}

void StreamOrder::done(size_t run) { turns_[run].emplace_back(device_.type()).record(current_stream_of(device_)); }

}  // namespace steppe::device
