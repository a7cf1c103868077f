#include "handles.h"

#include <napi.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <unordered_set>

namespace steppe {
namespace {

// Bytes that the tensor itself brought along: a view of older storage brings none.
uint64_t bytes_of(const at::Tensor& tensor, bool fresh) {
  if (!tensor.has_storage()) return 0;
  const auto& storage = tensor.unsafeGetTensorImpl()->unsafe_storage();
  return fresh || storage.use_count() == 1 ? storage.nbytes() : 0;
}

// Whether nothing stays when this object goes: neither data that others share nor a graph behind it.
bool goes_entirely(const at::Tensor& tensor) {
  if (tensor.use_count() > 1 || tensor.unsafeGetTensorImpl()->autograd_meta() != nullptr) return false;
  return !tensor.has_storage() || tensor.unsafeGetTensorImpl()->unsafe_storage().use_count() == 1;
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

double Handles::add(at::Tensor tensor, bool fresh) {
  if (growth_.bytes > limit_.bytes || growth_.tensors > limit_.tensors) [[unlikely]]
    sweep(false);
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
  slot.bytes = bytes_of(tensor, fresh);
  slot.scope = scope_;
  slot.tensor = std::move(tensor);
  growth_.bytes += slot.bytes;
  growth_.tensors++;
  live_++;
  if (open_nest_ != nullptr) open_nest_[kNestSize] += static_cast<double>(slot.bytes);
  const double handle = static_cast<double>(index) + static_cast<double>(slot.generation) * kIndexRange;
  if (scope_ != 0) {
    if (in_scope_ == nullptr) in_scope_ = &scopes_[scope_];
    in_scope_->push_back(handle);
  }
  return handle;
}

void Handles::set_scope(uint32_t scope) {
  scope_ = scope;
  in_scope_ = nullptr;
}

void Handles::seal(napi_value nest, size_t count) {
  if (open_nest_ == nullptr || count == 0 || count > kNestSize) fail(Code::internal, "A nest of " + std::to_string(count) + " tensors cannot be watched.");
  Nest& sealed = nests_.emplace_back();
  sealed.count = static_cast<uint32_t>(count);
  std::copy_n(open_nest_, count, sealed.handles.begin());
  open_nest_[kNestSize] = 0;
  check(env_, napi_create_reference(env_, nest, 0, &sealed.tensors));
}

void Handles::free_slot(uint32_t index) {
  Slot& slot = slots_[index];
  // Bookkeeping first: the tensor's own destruction may run autograd hooks.
  at::Tensor dying = std::move(slot.tensor);
  slot.tensor = at::Tensor();
  if (goes_entirely(dying)) {
    growth_.bytes -= std::min(growth_.bytes, slot.bytes);
    growth_.tensors -= std::min<uint64_t>(growth_.tensors, 1);
  }
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
  if (in_scope_ == &found->second) in_scope_ = nullptr;
  scopes_.erase(found);
  for (double handle : handles) {
    const Slot* slot = find(handle);
    if (slot != nullptr && slot->scope == scope) release(handle);
  }
}

// What the nest's weak reference told for all of its tensors, each tells for itself from now on.
void Handles::hold_one_by_one(const Nest& nest, napi_value tensors) {
  for (uint32_t i = 0; i < nest.count; i++) {
    Slot* slot = find(nest.handles[i]);
    if (slot == nullptr || slot->holder != nullptr) continue;
    napi_value tensor;
    check(env_, napi_get_element(env_, tensors, i, &tensor));
    check(env_, napi_create_reference(env_, tensor, 0, &slot->holder));
  }
  // Else each of them would go on holding all others.
  check(env_, napi_set_named_property(env_, tensors, "length", Napi::Number::New(env_, 0)));
}

void Handles::free_dead_nests(bool collected) {
  // Closes the gap of those that are done with, also where an environment that is being ended answers no more: what was not reached stays for `clear`.
  struct Gap {
    std::vector<Nest>& nests;
    size_t begin = 0, end = 0;
    ~Gap() { nests.erase(nests.begin() + static_cast<std::ptrdiff_t>(begin), nests.begin() + static_cast<std::ptrdiff_t>(end)); }
  } gap{nests_};
  for (; gap.end < nests_.size(); gap.end++) {
    Napi::HandleScope scope(env_);
    Nest& nest = nests_[gap.end];
    napi_value tensors = nullptr;
    napi_get_reference_value(env_, nest.tensors, &tensors);
    if (tensors == nullptr) {
      for (uint32_t i = 0; i < nest.count; i++) release(nest.handles[i]);
    } else if (collected || nest.survived) {
      hold_one_by_one(nest, tensors);
    } else {
      nest.survived = true;
      nests_[gap.begin++] = nest;
      continue;
    }
    napi_delete_reference(env_, nest.tensors);
  }
}

void Handles::free_unheld(bool collected) {
  free_dead_nests(collected);
  const size_t chunk = 512;
  for (size_t begin = 0; begin < slots_.size(); begin += chunk) {
    Napi::HandleScope scope(env_);
    for (size_t i = begin; i < std::min(begin + chunk, slots_.size()); i++) {
      if (slots_[i].holder == nullptr) continue;
      napi_value holder = nullptr;
      napi_get_reference_value(env_, slots_[i].holder, &holder);
      if (holder == nullptr) free_slot(static_cast<uint32_t>(i));
    }
  }
  // A scope that lives long would otherwise remember every tensor that ever was in it.
  for (auto& [id, handles] : scopes_) std::erase_if(handles, [&](double handle) { return find(handle) == nullptr; });
}

void Handles::sweep(bool all) {
  if (sweeping_) return;
  sweeping_ = true;
  struct Over {
    bool& sweeping;
    ~Over() { sweeping = false; }
  } over{sweeping_};
  sweeps_++;
  since_full_.bytes += growth_.bytes;
  since_full_.tensors += growth_.tensors;
  // From mild to thorough: what is known to be dead, what a scavenge finds, what a full collection finds.
  const auto enough = [&](const Figures& now) {
    return now.tensors <= after_full_.tensors + limit_.tensors / 2 && now.bytes <= after_full_.bytes + limit_.bytes / 2;
  };
  free_unheld(false);
  if (collect_garbage_) {
    collect_garbage_(false);
    free_unheld(true);
  }
  auto now = figures();
  if (collect_garbage_) {
    const bool overdue = since_full_.bytes > kBytesPerFullCollection * limit_.bytes || since_full_.tensors > kTensorsPerFullCollection * limit_.tensors;
    if (all || !enough(now) || overdue) {
      collect_garbage_(true);
      free_unheld(true);
      now = after_full_ = figures();
      since_full_ = {};
    }
  }
  report_external_bytes(now.bytes);
  limit_ = {std::max(least_limit_.bytes, now.bytes / 2), std::max(least_limit_.tensors, now.tensors / 2)};
  growth_ = {};
}

// V8 schedules its collections by the memory that it knows of.
void Handles::report_external_bytes(uint64_t bytes) {
  int64_t adjusted = 0;
  napi_adjust_external_memory(env_, static_cast<int64_t>(bytes) - reported_bytes_, &adjusted);
  reported_bytes_ = static_cast<int64_t>(bytes);
}

void Handles::set_limits(uint64_t bytes, uint64_t count) { limit_ = least_limit_ = {bytes, count}; }

void Handles::clear() {
  for (size_t i = 0; i < slots_.size(); i++) {
    if (slots_[i].tensor.defined()) free_slot(static_cast<uint32_t>(i));
  }
  for (const auto& nest : nests_) napi_delete_reference(env_, nest.tensors);
  nests_.clear();
  scopes_.clear();
  in_scope_ = nullptr;
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
