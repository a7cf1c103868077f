#pragma once
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Layout.h>
#include <c10/core/MemoryFormat.h>
#include <c10/core/ScalarType.h>

#include <string>
#include <string_view>

namespace steppe {

// PyTorch's names ("float32") for LibTorch's enumerations; Code::argument for a name that is none.
const char* dtype_name(at::ScalarType type);
at::ScalarType parse_dtype(std::string_view name, const std::string& argument);

const char* layout_name(at::Layout layout);
at::Layout parse_layout(std::string_view name, const std::string& argument);

const char* memory_format_name(at::MemoryFormat format);
at::MemoryFormat parse_memory_format(std::string_view name, const std::string& argument);

// "cpu", "cuda:1". Refuses devices that this LibTorch or this machine does not have, and says what there is.
at::Device parse_device(const std::string& name, const std::string& argument);

}  // namespace steppe
