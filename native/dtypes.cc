#include "dtypes.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>

#include <array>
#include <utility>

#include "errors.h"

namespace steppe {
namespace {

template <class E>
using Names = std::initializer_list<std::pair<const char*, E>>;

constexpr std::pair<const char*, at::ScalarType> kDtypes[] = {
    {"float32", at::kFloat},
    {"float64", at::kDouble},
    {"float16", at::kHalf},
    {"bfloat16", at::kBFloat16},
    {"int64", at::kLong},
    {"int32", at::kInt},
    {"int16", at::kShort},
    {"int8", at::kChar},
    {"uint8", at::kByte},
    {"uint16", at::ScalarType::UInt16},
    {"uint32", at::ScalarType::UInt32},
    {"uint64", at::ScalarType::UInt64},
    {"bool", at::kBool},
    {"complex32", at::ScalarType::ComplexHalf},
    {"complex64", at::ScalarType::ComplexFloat},
    {"complex128", at::ScalarType::ComplexDouble},
    {"float8_e4m3fn", at::ScalarType::Float8_e4m3fn},
    {"float8_e5m2", at::ScalarType::Float8_e5m2},
    {"float8_e4m3fnuz", at::ScalarType::Float8_e4m3fnuz},
    {"float8_e5m2fnuz", at::ScalarType::Float8_e5m2fnuz},
    {"float8_e8m0fnu", at::ScalarType::Float8_e8m0fnu},
    {"qint8", at::kQInt8},
    {"quint8", at::kQUInt8},
    {"qint32", at::kQInt32},
};

// PyTorch's short names, read but never written.
constexpr std::pair<const char*, at::ScalarType> kDtypeAliases[] = {
    {"float", at::kFloat}, {"double", at::kDouble}, {"half", at::kHalf},  {"long", at::kLong},
    {"int", at::kInt},     {"short", at::kShort},   {"cfloat", at::ScalarType::ComplexFloat}, {"cdouble", at::ScalarType::ComplexDouble},
};

constexpr std::pair<const char*, at::Layout> kLayouts[] = {
    {"strided", at::kStrided},      {"sparse", at::kSparse},         {"sparse_csr", at::kSparseCsr}, {"sparse_csc", at::kSparseCsc},
    {"sparse_bsr", at::kSparseBsr}, {"sparse_bsc", at::kSparseBsc}, {"mkldnn", at::kMkldnn},        {"jagged", at::kJagged},
};

constexpr std::pair<const char*, at::MemoryFormat> kFormats[] = {
    {"contiguous", at::MemoryFormat::Contiguous},
    {"preserve", at::MemoryFormat::Preserve},
    {"channels_last", at::MemoryFormat::ChannelsLast},
    {"channels_last_3d", at::MemoryFormat::ChannelsLast3d},
};

// The table is the truth for both directions; a LibTorch that renumbers its enumerations does not compile silently wrong.
static_assert(static_cast<int>(at::kFloat) == 6 && static_cast<int>(at::kDouble) == 7 && static_cast<int>(at::kBFloat16) == 15);

template <class Table, class E>
const char* name_of(const Table& table, E value) {
  for (const auto& [name, entry] : table)
    if (entry == value) return name;
  return "unknown";
}

template <class Table>
std::string list_names(const Table& table) {
  std::string names;
  for (const auto& [name, entry] : table) names += (names.empty() ? "" : ", ") + std::string(name);
  return names;
}

template <class Table>
auto parse(const Table& table, std::string_view name, const std::string& argument, const char* what) {
  for (const auto& [entry_name, entry] : table)
    if (name == entry_name) return entry;
  fail_expected(std::string("a ") + what + " (" + list_names(table) + ")", argument, "\"" + std::string(name) + "\"");
}

}  // namespace

const char* dtype_name(at::ScalarType type) { return name_of(kDtypes, type); }

at::ScalarType parse_dtype(std::string_view name, const std::string& argument) {
  for (const auto& [alias, entry] : kDtypeAliases)
    if (name == alias) return entry;
  return parse(kDtypes, name, argument, "dtype");
}

const char* layout_name(at::Layout layout) { return name_of(kLayouts, layout); }
at::Layout parse_layout(std::string_view name, const std::string& argument) { return parse(kLayouts, name, argument, "layout"); }

const char* memory_format_name(at::MemoryFormat format) { return name_of(kFormats, format); }
at::MemoryFormat parse_memory_format(std::string_view name, const std::string& argument) {
  return parse(kFormats, name, argument, "memory format");
}

at::Device parse_device(const std::string& name, const std::string& argument) {
  const auto accelerator = at::getAccelerator(false);
  const auto count = accelerator.has_value() ? at::accelerator::deviceCount() : 0;
  std::string available = "cpu, meta";
  if (accelerator.has_value()) {
    for (int i = 0; i < count; i++) available += ", " + c10::DeviceTypeName(*accelerator, true) + ":" + std::to_string(i);
  }
  const auto refuse = [&]() { fail_expected("a device that is here (" + available + ")", argument, "\"" + name + "\""); };
  std::optional<at::Device> device;
  try {
    device.emplace(name);
  } catch (const c10::Error&) {
    refuse();
  }
  const auto type = device->type();
  if (type == at::kCPU || type == at::kMeta) {
    if (device->index() > 0) refuse();
    return *device;
  }
  if (!accelerator.has_value() || type != *accelerator || count == 0 || device->index() >= count) refuse();
  return *device;
}

}  // namespace steppe
