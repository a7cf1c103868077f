#pragma once
#include <ATen/core/Tensor.h>
#include <node_api.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "errors.h"

namespace steppe {

// The tensors that JavaScript holds, by number. A handle is `index + generation * 2^24`: a number costs JavaScript
// nothing to keep or to pass, and a stale one (disposed, freed by its scope, of another environment) never finds a
// tensor that is not its own.
//
// Which handles JavaScript still holds, weak references tell: finalizers do not run inside a synchronous loop, but a
// cleared weak reference can be seen there. One reference per tensor costs as much as adding two small matrices.
// So tensors made one after another share one, to their nest: an array that holds them and that each of them holds
// (lib/nest.ts). A loop's temporary tensors become garbage nest by nest. Of a nest that outlives a collection, each
// tensor gets a reference of its own.
//
// `sweep` frees the tensors that nobody holds any more, and runs whenever enough bytes or tensors came since the last one.
class Handles {
 public:
  static constexpr size_t kNestSize = 64;

  explicit Handles(napi_env env);

  // A handle for a tensor, after a sweep if one is due. `fresh`: it came with storage of its own; else only a look at
  // its storage can tell. JavaScript ties the handle to an object (by putting that into a nest) or releases it.
  double add(at::Tensor tensor, bool fresh);
  // The nest that JavaScript fills: kNestSize handles that it writes, then the bytes that were added since the last seal.
  // Lives as long as this.
  void set_open_nest(double* open_nest) { open_nest_ = open_nest; }
  // The nest is full, or as full as it gets: watch it from now on.
  void seal(napi_value nest, size_t count);

  bool alive(double handle) const { return find(handle) != nullptr; }
  const at::Tensor& get(double handle) const {
    const Slot* slot = find(handle);
    if (slot == nullptr) [[unlikely]]
      fail_stale();
    return slot->tensor;
  }
  void release(double handle);

  // Scopes. A tensor belongs to the scope that was current when it was made; scope 0 is none.
  void set_scope(uint32_t scope);
  uint32_t scope() const { return scope_; }
  void move_to_scope(double handle, uint32_t scope);
  void release_scope(uint32_t scope);

  // Frees what JavaScript no longer holds, with the garbage collector's help: all of it, or as much as is worth its time.
  void sweep(bool all);
  // Seals the nest that is being filled, then runs the garbage collector.
  void set_collector(std::function<void(bool full)> collector) { collect_garbage_ = std::move(collector); }
  void set_limits(uint64_t bytes, uint64_t count);
  void clear();

  struct Figures {
    uint64_t tensors, bytes, sweeps;
  };
  Figures figures() const;

 private:
  struct Slot {
    at::Tensor tensor;
    napi_ref holder = nullptr;  // none while its nest is watched
    uint64_t bytes = 0;         // that it counts for in growth_
    uint32_t generation = 0;
    uint32_t scope = 0;
  };
  struct Nest {
    napi_ref tensors;
    uint32_t count;
    bool survived = false;
    std::array<double, kNestSize> handles;
  };
  // What came since the last sweep and did not yet go.
  struct Growth {
    uint64_t bytes = 0, tensors = 0;
  };

  static constexpr double kIndexRange = 16777216.0;  // 2^24 live tensors at most
  static constexpr uint32_t kGenerations = (1u << 28) - 1;
  // Garbage that a scavenge does not see, and that the figures do not show (a graph behind one number), waits for a
  // full collection: no longer than until this many times the limit came.
  static constexpr uint64_t kBytesPerFullCollection = 16, kTensorsPerFullCollection = 1024;

  const Slot* find(double handle) const;
  Slot* find(double handle) { return const_cast<Slot*>(std::as_const(*this).find(handle)); }
  void free_slot(uint32_t index);
  void free_unheld(bool collected);
  void free_dead_nests(bool collected);
  void hold_one_by_one(const Nest& nest, napi_value tensors);
  void report_external_bytes(uint64_t bytes);
  [[noreturn]] static void fail_stale();

  napi_env env_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  std::vector<Nest> nests_;
  double* open_nest_ = nullptr;
  std::unordered_map<uint32_t, std::vector<double>> scopes_;
  uint32_t scope_ = 0;
  std::vector<double>* in_scope_ = nullptr;  // the current scope's, once it has any
  uint32_t first_generation_;
  uint64_t live_ = 0;
  Growth growth_;
  // Few enough tensors that the memory of those that die is still in the processor's cache when it is used again: with
  // four times as many, adding small matrices takes a third longer.
  Growth limit_{128ull << 20, 1024};
  Growth least_limit_ = limit_;
  uint64_t sweeps_ = 0;
  Figures after_full_{};  // what the last full collection left
  Growth since_full_;     // what came after it
  int64_t reported_bytes_ = 0;
  bool sweeping_ = false;
  std::function<void(bool)> collect_garbage_;
};

}  // namespace steppe
