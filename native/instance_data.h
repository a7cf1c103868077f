#pragma once
#include <ATen/core/Generator.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>
#include <napi.h>

#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "handles.h"

namespace steppe {

class Worker;
class Program;
namespace sam {
class Engine;
}

// Objects that JavaScript owns by a number of its own and gives back with `dispose` or at its environment's end.
template <class T>
class Table {
 public:
  uint32_t add(std::shared_ptr<T> object) {
    objects_.emplace(++last_, std::move(object));
    return last_;
  }
  std::shared_ptr<T> get(uint32_t id, const char* what) const {
    auto found = objects_.find(id);
    if (found == objects_.end()) fail(Code::disposed, std::string("This ") + what + " was disposed or belongs to another environment.");
    return found->second;
  }
  void remove(uint32_t id) { objects_.erase(id); }
  void clear() { objects_.clear(); }
  size_t size() const { return objects_.size(); }

 private:
  std::unordered_map<uint32_t, std::shared_ptr<T>> objects_;
  uint32_t last_ = 0;
};

// What one environment (the main thread or a worker thread of Node) owns. Nothing here is shared between environments.
// Destruction order matters: the training and the loading thread stop first, since their jobs hold programs and tensors; then
// engines and programs, then tensors.
struct Instance {
  explicit Instance(Napi::Env env);
  ~Instance();
  Instance(const Instance&) = delete;

  static Instance* of(napi_env env);
  // Ends what is under way: both threads and a recording. What is there stays.
  void stop();
  // Gives back all memory that nobody needs: tensors that JavaScript no longer holds, and what is kept for tensors to come.
  void free_memory();
  // The engine lives no longer than its holder. Garbage is collected first where many came since.
  uint32_t add_engine(std::shared_ptr<sam::Engine> engine, Napi::Object holder);
  // What `allocate` gives; where memory runs out, once more after `free_memory`.
  template <class Allocate>
  auto with_memory(const Allocate& allocate);
  // Stops and lets go of everything. Runs as a cleanup hook, while Node-API still works.
  void shut_down();

  napi_env env;
  Handles handles;
  Napi::FunctionReference create_error;
  Napi::FunctionReference collector;
  Napi::FunctionReference run_segment_again;  // see checkpoint.cc
  Napi::ObjectReference open_nest;  // keeps alive what Handles reads
  Table<at::Generator> generators;
  Table<c10::Stream> streams;
  Table<c10::Event> events;
  Table<Program> programs;
  Table<sam::Engine> engines;
  std::unique_ptr<Worker> worker;  // the training thread
  std::unique_ptr<Worker> loader;  // makes batches while steps run
  std::vector<std::pair<uint32_t, napi_ref>> engine_holders;  // weak: finalizers run in no loop that never returns to the event loop
  size_t enough_engines = 16;
  bool recording = false;
  bool memory_is_free = false;  // what could be freed for the call under way was

 private:
  void free_unheld_engines();
};

template <class Allocate>
auto Instance::with_memory(const Allocate& allocate) {
  try {
    return allocate();
  } catch (...) {
    if (!is_out_of_memory()) throw;
  }
  free_memory();
  auto result = allocate();
  memory_is_free = false;
  return result;
}

}  // namespace steppe
