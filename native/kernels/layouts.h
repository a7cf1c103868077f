#pragma once
#include <algorithm>

#include "../program.h"

namespace steppe {

// What is known of a program's registers when it has been recorded.
using Layouts = std::vector<Program::Layout>;

inline bool is_float_image(const Program::Layout& layout) { return layout.strided && layout.dtype == at::kFloat && layout.sizes.size() == 4; }

// The channels last in memory, and no gaps. Where a dimension has one element, its stride says nothing.
inline bool is_channels_last_image(const Program::Layout& layout) {
  if (!is_float_image(layout)) return false;
  const auto& s = layout.sizes;
  const int64_t strides[] = {s[1] * s[2] * s[3], 1, s[3] * s[1], s[1]};
  for (size_t d = 0; d < 4; d++)
    if (s[d] != 1 && layout.strides[d] != strides[d]) return false;
  return true;
}

// The strides are just those of a new tensor with the channels last.
inline bool is_new_channels_last_image(const Program::Layout& layout) {
  const auto& s = layout.sizes;
  return is_float_image(layout) && layout.strides == std::vector<int64_t>{s[1] * s[2] * s[3], 1, s[3] * s[1], s[1]};
}

// Elements follow each other in memory, the last dimension's first. Where a dimension has one element, its stride says nothing.
inline bool is_contiguous(const Program::Layout& layout) {
  if (!layout.strided) return false;
  int64_t stride = 1;
  for (auto d = layout.sizes.size(); d-- > 0; stride *= layout.sizes[d])
    if (layout.sizes[d] != 1 && layout.strides[d] != stride) return false;
  return true;
}

// The strides are just those of a new tensor.
inline bool is_new_contiguous(const Program::Layout& layout) {
  if (!layout.strided) return false;
  int64_t stride = 1;
  for (auto d = layout.sizes.size(); d-- > 0; stride *= std::max<int64_t>(layout.sizes[d], 1))
    if (layout.strides[d] != stride) return false;
  return true;
}

inline int32_t register_of(const Program::Operand& operand) { return operand.kind == Program::Operand::Kind::reg ? operand.reg : Program::kNone; }

// Of an operand that is a register, how it lies; else null.
inline const Program::Layout* layout_of(const Program::Operand& operand, const Layouts& layouts) {
  const auto reg = register_of(operand);
  return reg < 0 ? nullptr : &layouts[reg];
}

// Where a tensor may be given, none.
inline bool is_nothing(const c10::IValue& value) { return value.isNone() || (value.isTensor() && !value.toTensor().defined()); }
inline bool is_nothing(const Program::Operand& operand) { return operand.kind == Program::Operand::Kind::constant && is_nothing(operand.constant); }

// A constant number of one.
inline bool is_one(const Program::Operand& operand) {
  return operand.kind == Program::Operand::Kind::constant && operand.constant.isScalar() && operand.constant.toScalar().equal(1);
}

}  // namespace steppe
