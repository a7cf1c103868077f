#pragma once
#include <ATen/core/Tensor.h>
#include <node_api.h>

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
// Each handle knows the JavaScript object that holds it through a weak reference. Finalizers do not run inside a
// synchronous loop, but a cleared weak reference can be seen there: `sweep` frees the tensors of objects that the
// garbage collector has taken, and runs whenever enough bytes or tensors came since the last one.
class Handles {
 public:
  explicit Handles(napi_env env);

  double add(at::Tensor tensor);
  // Ties the handle's life to `holder`.
  void track(double handle, napi_value holder);
  // add + track, then a sweep if one is due.
  double adopt(at::Tensor tensor, napi_value holder);

  bool alive(double handle) const { return find(handle) != nullptr; }
  const at::Tensor& get(double handle) const {
    const Slot* slot = find(handle);
    if (slot == nullptr) [[unlikely]]
      fail_stale();
    return slot->tensor;
  }
  void replace(double handle, at::Tensor tensor);
  void release(double handle);

  // Scopes. A tensor belongs to the scope that was current when it was made; scope 0 is none.
  void set_scope(uint32_t scope) { scope_ = scope; }
  uint32_t scope() const { return scope_; }
  void move_to_scope(double handle, uint32_t scope);
  void release_scope(uint32_t scope);

  // Frees what JavaScript no longer holds. With `collect`, the garbage collector is run first.
  void sweep(bool collect);
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
    napi_ref holder = nullptr;
    uint32_t generation = 0;
    uint32_t scope = 0;
  };

  static constexpr double kIndexRange = 16777216.0;  // 2^24 live tensors at most
  static constexpr uint32_t kGenerations = (1u << 28) - 1;

  const Slot* find(double handle) const;
  Slot* find(double handle) { return const_cast<Slot*>(std::as_const(*this).find(handle)); }
  void free_slot(uint32_t index);
  size_t free_unheld();
  void report_external_bytes();
  [[noreturn]] static void fail_stale();

  napi_env env_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  std::unordered_map<uint32_t, std::vector<double>> scopes_;
  uint32_t scope_ = 0;
  uint32_t first_generation_;
  uint64_t live_ = 0;
  uint64_t bytes_since_sweep_ = 0;
  uint64_t count_since_sweep_ = 0;
  uint64_t byte_limit_ = 128ull << 20;
  uint64_t count_limit_ = 16384;
  uint64_t byte_floor_ = 128ull << 20;
  uint64_t count_floor_ = 16384;
  uint64_t sweeps_ = 0;
  int64_t reported_bytes_ = 0;
  bool sweeping_ = false;
  std::function<void(bool)> collect_garbage_;
};

}  // namespace steppe
