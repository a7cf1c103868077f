#include "instance_data.h"

#include "device/accelerator.h"
#include "program.h"
#include "recorder.h"
#include "sam/engine.h"
#include "step_memory.h"
#include "worker.h"

namespace steppe {

Instance::Instance(Napi::Env env)
    : env(env),
      handles(env),
      worker(std::make_unique<Worker>(env, Worker::Kind::training)),
      loader(std::make_unique<Worker>(env, Worker::Kind::loading)) {
  handles.set_collector([this](bool full) {
    if (collector.IsEmpty()) return;
    Napi::HandleScope scope(this->env);
    try {
      call_js(this->env, collector.Value(), {Napi::Boolean::New(this->env, full)});
    } catch (const PendingException&) {
      // A sweep without the collector's help is still a sweep.
      napi_value ignored = nullptr;
      napi_get_and_clear_last_exception(this->env, &ignored);
    }
  });
}

Instance::~Instance() { shut_down(); }

void Instance::stop() {
  if (recording && Recorder::current() != nullptr) Recorder::current()->stop();
  recording = false;
  worker->stop();
  loader->stop();
}

void Instance::free_memory() {
  handles.sweep(true);
  StepMemory::release();
  device::empty_caches();
  memory_is_free = true;
}

void Instance::shut_down() {
  if (worker == nullptr) return;
  stop();
  worker.reset();
  loader.reset();
  engines.clear();
  programs.clear();
  generators.clear();
  events.clear();
  streams.clear();
  handles.clear();
}

Instance* Instance::of(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return static_cast<Instance*>(data);
}

}  // namespace steppe
