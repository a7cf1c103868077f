#include "signature.h"

#include "dtypes.h"
#include "errors.h"

namespace steppe {
namespace {

bool same_place(const at::Tensor& a, const at::Tensor& b) {
  return a.has_storage() && b.has_storage() && a.is_alias_of(b) && a.storage_offset() == b.storage_offset();
}

// Tensors that share memory share registers: a program recorded with them is no good for others.
std::string describe_input(const Tensors& inputs, size_t i, const Tensors& parameters, const Tensors& buffers) {
  const auto& tensor = inputs[i];
  std::string text = dtype_name(tensor.scalar_type());
  for (const auto size : tensor.sizes()) text += "," + std::to_string(size);
  text += "@" + tensor.device().str();
  if (tensor.layout() != at::kStrided) {
    text += layout_name(tensor.layout());
  } else if (!tensor.is_contiguous()) {
    for (const auto stride : tensor.strides()) text += "/" + std::to_string(stride);
  }
  if (tensor.is_neg()) text += "-";
  if (tensor.is_conj()) text += "*";
  for (size_t j = 0; j < i; j++)
    if (same_place(inputs[j], tensor)) text += "=" + std::to_string(j);
  for (size_t k = 0; k < parameters.size(); k++)
    if (same_place(parameters[k], tensor)) text += "=p" + std::to_string(k);
  for (size_t k = 0; k < buffers.size(); k++)
    if (same_place(buffers[k], tensor)) text += "=b" + std::to_string(k);
  return text + (tensor.requires_grad() ? "g;" : ";");
}

}  // namespace

std::string describe_inputs(const Tensors& inputs, const Tensors& parameters, const Tensors& buffers) {
  std::string text;
  for (size_t i = 0; i < inputs.size(); i++) {
    if (!inputs[i].defined()) fail(Code::disposed, "An argument of the step is a tensor that was disposed.");
    text += describe_input(inputs, i, parameters, buffers);
  }
  return text;
}

}  // namespace steppe
