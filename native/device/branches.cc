#include "branches.h"

#include <ATen/DeviceAccelerator.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>

namespace steppe::device {
namespace {

c10::Stream current_stream_of(c10::Device device) { return at::accelerator::getCurrentStream(device.index()); }

}  // namespace

void Branches::fork(size_t pieces) {
  if (device_.is_cpu()) return;
  const auto count = std::min(pieces, kMost);
  while (streams_.size() < count) streams_.push_back(c10::impl::VirtualGuardImpl(device_.type()).getNewStream(device_));
  c10::Event before(device_.type());
  before.record(current_stream_of(device_));
  for (size_t i = 0; i < count; i++) before.block(streams_[i]);
  used_ = count;
}

void Branches::on(size_t piece, const std::function<void()>& work) {
  if (used_ == 0) return work();
  c10::StreamGuard guard(streams_[piece % used_]);
  work();
}

void Branches::join() {
  for (size_t i = 0; i < used_; i++) {
    c10::Event after(device_.type());
    after.record(streams_[i]);
    after.block(current_stream_of(device_));
  }
  used_ = 0;
}

bool StreamOrder::wait(size_t run, uint32_t turns) {
  if (run > 0 && turns > 0) turns_[run - 1].at(turns - 1).block(current_stream_of(device_));
  return true;
}

void StreamOrder::done(size_t run) { turns_[run].emplace_back(device_.type()).record(current_stream_of(device_)); }

}  // namespace steppe::device
