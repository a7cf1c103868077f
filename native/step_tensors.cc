#include "step_tensors.h"

#include <ATen/EmptyTensor.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/InferenceMode.h>

#include <array>
#include <utility>
#include <vector>

namespace steppe {
namespace {

constexpr size_t kMost = 256;  // of a kind and a thread; an object has 300 bytes

// A tensor's keys where nothing is special about it.
c10::DispatchKeySet plain_keys() {
  static const auto keys = [] {
    const c10::InferenceMode none(false);
    return at::Tensor(at::detail::empty_cpu({0}, at::kFloat)).key_set();
  }();
  return keys;
}

struct Spare {
  std::vector<at::Tensor> tensors;  // each with a storage of its own that has no memory
  std::vector<at::Tensor> views;    // whose storage is `nothing`
  c10::Storage nothing{c10::Storage::use_byte_size_t(), 0, c10::GetCPUAllocator(), false};
};
Spare& spare() {
  static thread_local Spare instance;
  return instance;
}

at::Tensor taken_from(std::vector<at::Tensor>& kept) {
  if (kept.empty()) return {};
  auto result = std::move(kept.back());
  kept.pop_back();
  return result;
}

// Nobody else holds it, nor remembers it by address without holding it.
bool is_reusable(const at::Tensor& x) {
  const auto* impl = x.unsafeGetTensorImpl();
  return x.is_uniquely_owned() && impl->key_set() == plain_keys() && impl->autograd_meta() == nullptr && impl->unsafe_storage() && impl->version_counter().unique() &&
         impl->allow_tensor_metadata_change() && !impl->is_wrapped_number() && !impl->has_symbolic_sizes_strides();
}

// The same of a storage that one tensor has. One that is to be copied before it is first written to would still be, with other memory.
bool is_reusable(const c10::Storage& storage) {
  auto* impl = storage.unsafeGetStorageImpl();
  if (!impl->resizable() || impl->device_type() != c10::kCPU || impl->has_materializer()) return false;
  auto pointer = c10::intrusive_ptr<c10::StorageImpl>::reclaim(impl);
  const bool is_own = pointer.is_uniquely_owned();
  pointer.release();
  return is_own;
}

// Memory for a tensor that has been given its form, and its dtype.
void fill(const at::Tensor& x, at::ScalarType dtype, size_t bytes) {
  auto* impl = x.unsafeGetTensorImpl();
  auto* storage = impl->unsafe_storage().unsafeGetStorageImpl();
  auto* allocator = c10::GetCPUAllocator();
  storage->set_data_ptr_noswap(allocator->allocate(bytes));
  storage->set_nbytes(bytes);
  storage->set_allocator(allocator);
  impl->set_storage_offset(0);
  const auto type = c10::scalarTypeToTypeMeta(dtype);
  if (impl->dtype() != type) impl->set_storage_and_dtype(c10::Storage(impl->unsafe_storage()), type);
}

}  // namespace

at::Tensor new_tensor(at::IntArrayRef sizes, at::ScalarType dtype) {
  auto result = taken_from(spare().tensors);
  if (!result.defined()) return at::Tensor(at::detail::empty_cpu(sizes, dtype));
  result.unsafeGetTensorImpl()->set_sizes_contiguous(sizes);
  fill(result, dtype, static_cast<size_t>(result.numel()) * c10::elementSize(dtype));
  return result;
}

at::Tensor new_image(at::IntArrayRef sizes, at::ScalarType dtype) {
  const std::array<int64_t, 4> strides = {sizes[1] * sizes[2] * sizes[3], 1, sizes[1] * sizes[3], sizes[1]};
  return new_strided(sizes, strides, dtype);
}

at::Tensor new_strided(at::IntArrayRef sizes, at::IntArrayRef strides, at::ScalarType dtype) {
  auto result = taken_from(spare().tensors);
  if (!result.defined()) return at::Tensor(at::detail::empty_strided_cpu(sizes, strides, dtype));
  result.unsafeGetTensorImpl()->set_sizes_and_strides(sizes, strides);
  fill(result, dtype, at::detail::computeStorageNbytes(sizes, strides, c10::elementSize(dtype)));
  return result;
}

at::Tensor view_of(const at::Tensor& x, at::IntArrayRef sizes, at::IntArrayRef strides, int64_t offset) {
  auto result = x.key_set() == plain_keys() ? taken_from(spare().views) : at::Tensor();
  if (result.defined()) {
    result.unsafeGetTensorImpl()->set_storage_and_dtype(c10::Storage(x.storage()), x.dtype());
  } else {
    result = at::detail::make_tensor<c10::TensorImpl>(c10::TensorImpl::VIEW, c10::Storage(x.storage()), x.key_set(), x.dtype());
  }
  result.unsafeGetTensorImpl()->set_sizes_and_strides(sizes, strides, x.storage_offset() + offset);
  return result;
}

void retire(at::Tensor& x) {
  if (!x.defined()) return;
  if (!is_reusable(x)) return x.reset();
  const auto& storage = x.storage();
  auto& [tensors, views, nothing] = spare();
  const bool has_its_own = storage.use_count() == 1;
  auto& kind = has_its_own ? tensors : views;
  if (kind.size() >= kMost || (has_its_own && !is_reusable(storage))) return x.reset();
  if (has_its_own) {
    storage.unsafeGetStorageImpl()->_mutable_data_ptr_no_checks().clear();
  } else {
    x.unsafeGetTensorImpl()->set_storage_keep_dtype(nothing);
  }
  kind.push_back(std::move(x));
}

}  // namespace steppe
