#include <ATen/DeviceAccelerator.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "../functions.h"
#include "accelerator.h"
#include "binding.h"

namespace steppe::device {
namespace {

std::shared_ptr<c10::Stream> stream(Call& call, size_t i) { return call.instance().streams.get(static_cast<uint32_t>(call.integer(i, "stream")), "stream"); }
std::shared_ptr<c10::Event> event(Call& call, size_t i) { return call.instance().events.get(static_cast<uint32_t>(call.integer(i, "event")), "event"); }

Napi::Value added(Call& call, c10::Stream stream) {
  return Napi::Number::New(call.env(), call.instance().streams.add(std::make_shared<c10::Stream>(stream)));
}

// makeStream(device, priority): one of LibTorch's pool
Napi::Value make_stream(Call& call) {
  const auto device = device_at(call.integer(0, "device"));
  return added(call, c10::impl::VirtualGuardImpl(device.type()).getNewStream(device, static_cast<int>(call.integer(1, "priority"))));
}

Napi::Value current_stream(Call& call) { return added(call, at::accelerator::getCurrentStream(device_at(call.integer(0, "device")).index())); }

Napi::Value default_stream(Call& call) {
  const auto device = device_at(call.integer(0, "device"));
  return added(call, c10::impl::VirtualGuardImpl(device.type()).getDefaultStream(device));
}

// setStream(stream): this thread's current one on the stream's device, which becomes the current device
Napi::Value set_stream(Call& call) {
  const auto next = stream(call, 0);
  at::accelerator::setCurrentStream(*next);
  at::accelerator::setDeviceIndex(next->device_index());
  return call.env().Undefined();
}

Napi::Value stream_device(Call& call) { return Napi::String::New(call.env(), stream(call, 0)->device().str()); }
Napi::Value stream_id(Call& call) { return Napi::BigInt::New(call.env(), static_cast<int64_t>(stream(call, 0)->id())); }
Napi::Value stream_query(Call& call) { return Napi::Boolean::New(call.env(), stream(call, 0)->query()); }
Napi::Value stream_synchronize(Call& call) {
  stream(call, 0)->synchronize();
  return call.env().Undefined();
}
Napi::Value free_stream(Call& call) {
  call.instance().streams.remove(static_cast<uint32_t>(call.integer(0, "stream")));
  return call.env().Undefined();
}

// recordStream(tensor, stream): its memory is not given to others before the stream has done what was asked of it so far
Napi::Value record_stream(Call& call) {
  const auto& tensor = call.tensor(0);
  const auto user = stream(call, 1);
  if (tensor.device().type() != user->device_type()) fail_expected("a tensor on a GPU", "tensor", "one on " + tensor.device().str());
  if (tensor.has_storage()) c10::impl::VirtualGuardImpl(user->device_type()).recordDataPtrOnStream(tensor.storage().data_ptr(), *user);
  return call.env().Undefined();
}

// makeEvent(timing)
Napi::Value make_event(Call& call) {
  const auto flag = call.boolean(0, "enableTiming") ? c10::EventFlag::BACKEND_DEFAULT : c10::EventFlag::PYTORCH_DEFAULT;
  return Napi::Number::New(call.env(), call.instance().events.add(std::make_shared<c10::Event>(accelerator_type(), flag)));
}

Napi::Value event_record(Call& call) {
  event(call, 0)->record(*stream(call, 1));
  return call.env().Undefined();
}
// eventWait(event, stream): what is asked of the stream from now on waits for the event
Napi::Value event_wait(Call& call) {
  event(call, 0)->block(*stream(call, 1));
  return call.env().Undefined();
}
Napi::Value event_query(Call& call) { return Napi::Boolean::New(call.env(), event(call, 0)->query()); }
Napi::Value event_synchronize(Call& call) {
  event(call, 0)->synchronize();
  return call.env().Undefined();
}
// eventElapsed(begin, end): milliseconds
Napi::Value event_elapsed(Call& call) { return Napi::Number::New(call.env(), event(call, 0)->elapsedTime(*event(call, 1))); }
Napi::Value free_event(Call& call) {
  call.instance().events.remove(static_cast<uint32_t>(call.integer(0, "event")));
  return call.env().Undefined();
}

}  // namespace

void register_streams(Napi::Env env, Napi::Object exports) {
  define<make_stream>(env, exports, "makeStream");
  define<current_stream>(env, exports, "currentStream");
  define<default_stream>(env, exports, "defaultStream");
  define<set_stream>(env, exports, "setStream");
  define<stream_device>(env, exports, "streamDevice");
  define<stream_id>(env, exports, "streamId");
  define<stream_query>(env, exports, "streamQuery");
  define<stream_synchronize>(env, exports, "streamSynchronize");
  define<free_stream>(env, exports, "freeStream");
  define<record_stream>(env, exports, "recordStream");
  define<make_event>(env, exports, "makeEvent");
  define<event_record>(env, exports, "eventRecord");
  define<event_wait>(env, exports, "eventWait");
  define<event_query>(env, exports, "eventQuery");
  define<event_synchronize>(env, exports, "eventSynchronize");
  define<event_elapsed>(env, exports, "eventElapsed");
  define<free_event>(env, exports, "freeEvent");
}

}  // namespace steppe::device
