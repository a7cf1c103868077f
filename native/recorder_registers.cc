// How the recorder tells tensors apart, and what it takes for constants.
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "program_passes.h"
#include "recorder.h"
#include "recorder_values.h"

namespace steppe {

const void* Recorder::storage_of(const at::Tensor& tensor) {
  if (!tensor.has_storage()) return tensor.unsafeGetTensorImpl();
  return tensor.unsafeGetTensorImpl()->unsafe_storage().unsafeGetStorageImpl();
}

Recorder::Key Recorder::key_of(const at::Tensor& tensor) {
  if (!tensor.has_storage()) return {storage_of(tensor), tensor.scalar_type(), 0, false, false, false, {}, {}};
  return {storage_of(tensor), tensor.scalar_type(), tensor.storage_offset(), tensor.is_conj(), tensor.is_neg(), tensor.layout() == at::kStrided, tensor.sizes().vec(), tensor.strides().vec()};
}

Tensors Recorder::stand_ins(const Tensors& inputs, const Tensors& slots) {
  std::map<const void*, c10::Storage> storages;  // by what they stand for: inputs that share memory go on doing so
  Tensors result = inputs;
  for (auto& input : result) {
    const bool is_slot = std::any_of(slots.begin(), slots.end(), [&](const auto& slot) { return storage_of(slot) == storage_of(input); });
    if (is_slot || !input.has_storage() || input.layout() != at::kStrided || input.is_conj() || input.is_neg() || input.is_quantized() || input.requires_grad()) continue;
    auto& storage = storages[storage_of(input)];
    if (!storage) {
      const auto& own = input.storage();
      auto* held = new c10::Storage(own);
      c10::DataPtr data(own.data_ptr().get(), held, [](void* context) { delete static_cast<c10::Storage*>(context); }, own.device());
      storage = c10::Storage(c10::Storage::use_byte_size_t(), own.nbytes(), std::move(data), /*allocator=*/nullptr, /*resizable=*/false);
    }
    auto stand_in = at::detail::make_tensor<c10::TensorImpl>(c10::Storage(storage), input.key_set(), input.dtype());
    stand_in.unsafeGetTensorImpl()->set_sizes_and_strides(input.sizes(), input.strides(), input.storage_offset());
    input = std::move(stand_in);
  }
  return result;
}

int32_t Recorder::reg_of(const at::Tensor& tensor) const {
  const auto found = registers_.find(key_of(tensor));
  return found == registers_.end() ? Program::kNone : found->second;
}

int32_t Recorder::new_reg(const at::Tensor& tensor) {
  reserve_address(tensor);
  on_cpu_ &= tensor.is_cpu();
  const auto reg = static_cast<int32_t>(program_->register_count++);
  keys_.push_back(key_of(tensor));
  registers_.try_emplace(keys_.back(), reg);
  return reg;
}

// A storage (or a tensor without one) that is gone leaves its address to another: it would be taken for the first.
void Recorder::reserve_address(const at::Tensor& tensor) {
  if (!reserved_.insert(storage_of(tensor)).second) return;
  if (tensor.has_storage()) {
    storages_.push_back(tensor.storage().getWeakStorageImpl());
  } else {
    storageless_.emplace_back(tensor.getIntrusivePtr());
  }
}

void Recorder::admit_constant(const at::Tensor& tensor) {
  const bool is_number = tensor.unsafeGetTensorImpl()->is_wrapped_number();
  const void* data = tensor.has_storage() ? tensor.storage().data() : nullptr;
  if (!is_number && data != nullptr && allocated_.contains(data)) {
    obstacle("a tensor was computed by something that is no operator (a custom autograd function, or a kernel's hidden state)");
  }
  for (const auto& parameter : parameters_)
    if (storage_of(parameter) == storage_of(tensor)) obstacle("a tensor looks at a parameter's memory that was not made of the parameter in it");
}

Program::Operand Recorder::operand(const c10::IValue& value) {
  using Kind = Program::Operand::Kind;
  Program::Operand result;
  if (value.isTensor() && value.toTensor().defined()) {
    const auto& tensor = value.toTensor();
    result.reg = reg_of(tensor);
    if (result.reg != Program::kNone) {
      result.kind = Kind::reg;
      return result;
    }
    admit_constant(tensor);
    result.constant = tensor.variable_data();
    if (tensor.unsafeGetTensorImpl()->is_wrapped_number()) result.constant = value;
    return result;
  }
  if (value.isTensorList() || value.isOptionalTensorList()) {
    result.kind = value.isTensorList() ? Kind::list : Kind::optional_list;
    for (const auto& element : value.toListRef()) {
      if (!element.isTensor() || !element.toTensor().defined()) {
        result.regs.push_back(Program::kNone);
        continue;
      }
      auto reg = reg_of(element.toTensor());
      if (reg == Program::kNone) {
        admit_constant(element.toTensor());
        result.held.push_back(element.toTensor().variable_data());
        reg = -static_cast<int32_t>(result.held.size());
      }
      result.regs.push_back(reg);
    }
    return result;
  }
  if (value.isGenerator()) {
    const auto generator = value.toGenerator();
    const bool known = std::any_of(generator_states_.begin(), generator_states_.end(), [&](const auto& each) { return each.first == generator; });
    if (!known) obstacle("it draws from a generator of its own, whose state a step cannot put back");
  }
  result.constant = value;
  return result;
}

void Recorder::before_writes(const c10::OperatorHandle& op, c10::ArrayRef<const c10::IValue> inputs) {
  for (const auto i : written_arguments(op)) {
    if (i >= inputs.size()) continue;
    each_tensor(inputs[i], [&](const at::Tensor& tensor) {
      before_write(tensor, op);
      if (!obstacle_.empty()) return;
      overwritten_.push_back(storage_of(tensor));
      unfilled_.erase(storage_of(tensor));
    });
  }
}

// Slots that an operator is about to write to, also through a view.
void Recorder::before_write(const at::Tensor& tensor, const c10::OperatorHandle& op) {
  const auto* storage = storage_of(tensor);
  if (copies_.contains(storage) && !in_backward_) obstacle(readable(op) + " changes what would be a view in the user's own order");
  const auto note = [](std::vector<uint32_t>& list, uint32_t i) {
    if (std::find(list.begin(), list.end(), i) == list.end()) list.push_back(i);
  };
  // What it keeps there would be whatever was in memory.
  if (!computed() && !reserved_.contains(storage)) obstacle(readable(op) + " changes a tensor that was there before");
  for (const auto& parameter : parameters_)
    if (storage_of(parameter) == storage) obstacle(readable(op) + " changes a parameter in place");
  bool is_slot = false;
  for (uint32_t b = 0; b < buffers_.size(); b++) {
    if (storage_of(buffers_[b]) != storage) continue;
    note(program_->changed_buffers, b);
    is_slot = true;
  }
  for (uint32_t i = 0; i < inputs_.size(); i++) {
    if (storage_of(inputs_[i]) != storage) continue;
    note(program_->changed_inputs, i);
    is_slot = true;
    if (input_values_[i].defined()) continue;
    at::NoGradGuard no_grad;
    Constants not_an_operator;  // and computed, where else shapes would do
    input_values_[i] = inputs_[i].clone();
  }
  if (!is_slot) save_own(tensor);
}

// What is written to was there before the recording, and is no slot: steps change it, but not the recording.
void Recorder::save_own(const at::Tensor& tensor) {
  if (!tensor.has_storage() || tensor.numel() == 0 || allocated_.contains(tensor.storage().data())) return;
  for (const auto& parameter : parameters_)
    if (storage_of(parameter) == storage_of(tensor)) return;
  if (!saved_own_.insert(key_of(tensor)).second) return;
  at::NoGradGuard no_grad;
  Constants not_an_operator;
  own_values_.emplace_back(tensor, tensor.clone());
}

}  // namespace steppe
