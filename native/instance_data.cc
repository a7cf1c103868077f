#include "instance_data.h"

#include <algorithm>

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
      free_unheld_engines();
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

uint32_t Instance::add_engine(std::shared_ptr<sam::Engine> engine, Napi::Object holder) {
  if (engines.size() >= enough_engines) {
    handles.sweep(true);
    enough_engines = std::max<size_t>(16, 2 * engines.size());
  }
  const auto id = engines.add(std::move(engine));
  napi_ref weak = nullptr;
  if (napi_create_reference(env, holder, 0, &weak) == napi_ok) engine_holders.emplace_back(id, weak);
  return id;
}

void Instance::free_unheld_engines() {
  std::erase_if(engine_holders, [this](const auto& each) {
    Napi::HandleScope scope(env);
    napi_value holder = nullptr;
    napi_get_reference_value(env, each.second, &holder);
    if (holder != nullptr) return false;
    engines.remove(each.first);
    napi_delete_reference(env, each.second);
    return true;
  });
}

void Instance::shut_down() {
  if (worker == nullptr) return;
  stop();
  worker.reset();
  loader.reset();
  for (const auto& [id, holder] : engine_holders) napi_delete_reference(env, holder);
  engine_holders.clear();
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
