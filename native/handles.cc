#include "handles.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <unordered_set>

namespace steppe {
namespace {

// Bytes that the tensor itself brought along: a view of older storage brings none.
uint64_t fresh_bytes(const at::Tensor& tensor) {
  if (!tensor.defined() || !tensor.has_storage()) return 0;
  const auto& storage = tensor.unsafeGetTensorImpl()->unsafe_storage();
  return storage.use_count() == 1 ? storage.nbytes() : 0;
}

std::atomic<uint32_t> environments{0};

}  // namespace

// Each environment starts its generations elsewhere, so that a handle carried from one to another is stale there.
Handles::Handles(napi_env env) : env_(env), first_generation_(1 + (environments++ * 104729u) % (kGenerations / 2)) {}

const Handles::Slot* Handles::find(double handle) const {
  if (!(handle >= kIndexRange)) [[unlikely]]
    return nullptr;
  const auto whole = static_cast<uint64_t>(handle);
  const auto index = static_cast<uint32_t>(whole & 0xFFFFFF);
  if (index >= slots_.size()) [[unlikely]]
    return nullptr;
  const Slot& slot = slots_[index];
  return slot.generation == (whole >> 24) && slot.tensor.defined() ? &slot : nullptr;
}

void Handles::fail_stale() {
  fail(Code::disposed, "The tensor is not alive here: it was disposed, freed at the end of its scope, or belongs to another environment (worker thread).");
}

double Handles::add(at::Tensor tensor) {
  uint32_t index;
  if (free_.empty()) {
    if (slots_.size() >= static_cast<size_t>(kIndexRange)) fail(Code::out_of_memory, "More than 16,777,216 tensors are alive at the same time.");
    index = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back().generation = first_generation_;
  } else {
    index = free_.back();
    free_.pop_back();
  }
  Slot& slot = slots_[index];
  bytes_since_sweep_ += fresh_bytes(tensor);
  count_since_sweep_++;
  live_++;
  slot.tensor = std::move(tensor);
  slot.scope = scope_;
  const double handle = static_cast<double>(index) + static_cast<double>(slot.generation) * kIndexRange;
  if (scope_ != 0) scopes_[scope_].push_back(handle);
  return handle;
}

void Handles::track(double handle, napi_value holder) {
  Slot* slot = find(handle);
  if (slot == nullptr) fail_stale();
  if (slot->holder == nullptr) check(env_, napi_create_reference(env_, holder, 0, &slot->holder));
  if (bytes_since_sweep_ > byte_limit_ || count_since_sweep_ > count_limit_) [[unlikely]]
    sweep(true);
}

double Handles::adopt(at::Tensor tensor, napi_value holder) {
  const double handle = add(std::move(tensor));
  track(handle, holder);
  return handle;
}

void Handles::replace(double handle, at::Tensor tensor) {
  Slot* slot = find(handle);
  if (slot == nullptr) fail_stale();
  slot->tensor = std::move(tensor);
}

void Handles::free_slot(uint32_t index) {
  Slot& slot = slots_[index];
  // Bookkeeping first: the tensor's own destruction may run autograd hooks.
  at::Tensor dying = std::move(slot.tensor);
  slot.tensor = at::Tensor();
  if (slot.holder != nullptr) napi_delete_reference(env_, slot.holder);
  slot.holder = nullptr;
  slot.scope = 0;
  slot.generation = slot.generation >= kGenerations ? 1 : slot.generation + 1;
  free_.push_back(index);
  live_--;
}

void Handles::release(double handle) {
  if (find(handle) != nullptr) free_slot(static_cast<uint32_t>(static_cast<uint64_t>(handle) & 0xFFFFFF));
}

void Handles::move_to_scope(double handle, uint32_t scope) {
  Slot* slot = find(handle);
  if (slot == nullptr) return;
  slot->scope = scope;
  if (scope != 0) scopes_[scope].push_back(handle);
}

void Handles::release_scope(uint32_t scope) {
  auto found = scopes_.find(scope);
  if (found == scopes_.end()) return;
  auto handles = std::move(found->second);
  scopes_.erase(found);
  for (double handle : handles) {
    const Slot* slot = find(handle);
    if (slot != nullptr && slot->scope == scope) release(handle);
  }
}

size_t Handles::free_unheld() {
  size_t freed = 0;
  const size_t chunk = 512;
  for (size_t begin = 0; begin < slots_.size(); begin += chunk) {
    napi_handle_scope scope;
    check(env_, napi_open_handle_scope(env_, &scope));
    for (size_t i = begin; i < std::min(begin + chunk, slots_.size()); i++) {
      if (slots_[i].holder == nullptr) continue;
      napi_value holder = nullptr;
      napi_get_reference_value(env_, slots_[i].holder, &holder);
      if (holder == nullptr) {
        free_slot(static_cast<uint32_t>(i));
        freed++;
      }
    }
    napi_close_handle_scope(env_, scope);
  }
  // A scope that lives long would otherwise remember every tensor that ever was in it.
  for (auto& [id, handles] : scopes_) std::erase_if(handles, [&](double handle) { return find(handle) == nullptr; });
  return freed;
}

void Handles::sweep(bool collect) {
  if (sweeping_) return;
  sweeping_ = true;
  sweeps_++;
  // From mild to thorough: what is known to be dead, what a scavenge finds, what a full collection finds.
  const uint64_t before = live_;
  size_t freed = free_unheld();
  const auto enough = [&] { return freed * 2 >= std::min(before, count_since_sweep_); };
  if (collect && collect_garbage_ && !enough()) {
    collect_garbage_(false);
    freed += free_unheld();
    if (!enough()) {
      collect_garbage_(true);
      freed += free_unheld();
    }
  }
  report_external_bytes();
  const auto now = figures();
  byte_limit_ = std::max(byte_floor_, now.bytes / 2);
  count_limit_ = std::max(count_floor_, live_ / 2);
  bytes_since_sweep_ = 0;
  count_since_sweep_ = 0;
  sweeping_ = false;
}

// V8 schedules its collections by the memory that it knows of.
void Handles::report_external_bytes() {
  const auto bytes = static_cast<int64_t>(figures().bytes);
  int64_t adjusted = 0;
  napi_adjust_external_memory(env_, bytes - reported_bytes_, &adjusted);
  reported_bytes_ = bytes;
}

void Handles::set_limits(uint64_t bytes, uint64_t count) {
  byte_limit_ = byte_floor_ = bytes;
  count_limit_ = count_floor_ = count;
}

void Handles::clear() {
  for (size_t i = 0; i < slots_.size(); i++) {
    if (slots_[i].tensor.defined()) free_slot(static_cast<uint32_t>(i));
  }
  scopes_.clear();
}

Handles::Figures Handles::figures() const {
  std::unordered_set<const void*> seen;
  uint64_t bytes = 0;
  for (const auto& slot : slots_) {
    if (!slot.tensor.defined() || !slot.tensor.has_storage()) continue;
    const auto& storage = slot.tensor.unsafeGetTensorImpl()->unsafe_storage();
    if (seen.insert(storage.unsafeGetStorageImpl()).second) bytes += storage.nbytes();
  }
  return {live_, bytes, sweeps_};
}

}  // namespace steppe
