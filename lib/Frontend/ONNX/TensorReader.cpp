#include "TensorReader.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using ::onnx::TensorProto;

namespace anybit::onnx {

std::optional<ElementType> readElementType(int32_t dataType, const Twine &owner, Diagnostics &diagnostics) {
  if (dataType == TensorProto::UNDEFINED) {
    diagnostics.invalid(owner + " has no element type");
    return std::nullopt;
  }
  if (!::onnx::TensorProto_DataType_IsValid(dataType)) {
    diagnostics.invalid(owner + " has the unknown element type " + Twine(dataType));
    return std::nullopt;
  }
  const auto type = static_cast<ElementType>(dataType);
  if (elementName(type) == "unknown") {
    diagnostics.unsupported(owner + " has element type " +
                            ::onnx::TensorProto_DataType_Name(static_cast<TensorProto::DataType>(dataType)) +
                            "; convert it to float, float16 or an integer type");
    return std::nullopt;
  }
  return type;
}

/// Bits of one element in raw and external data.
static unsigned storedBits(ElementType type) {
  switch (type) {
  case ElementType::UInt4:
  case ElementType::Int4:
    return 4;
  case ElementType::UInt2:
  case ElementType::Int2:
    return 2;
  default:
    return 8 * elementBytes(type);
  }
}

bool TensorReader::readDims(const TensorProto &proto, StringRef owner, Tensor &tensor, int64_t &count) {
  if (proto.dims_size() > limits.rank)
    return diagnostics.invalid(owner + " has rank " + Twine(proto.dims_size()) + "; at most " + Twine(limits.rank) +
                               " is allowed");
  count = 1;
  bool overflow = false, empty = false;
  for (int64_t dim : proto.dims()) {
    if (dim < 0)
      return diagnostics.invalid(owner + " has the negative dimension " + Twine(dim));
    empty |= dim == 0;
    overflow |= MulOverflow(count, dim == 0 ? int64_t(1) : dim, count);
    tensor.dims.push_back(dim);
  }
  if (overflow || count > limits.tensorElements)
    return diagnostics.invalid(owner + " has dimensions whose product is beyond " + Twine(limits.tensorElements) +
                               " elements");
  if (empty)
    count = 0;
  return true;
}

/// The sub-byte elements of `packed`, the first in the lowest bits, one byte each.
static std::vector<char> unpack(ArrayRef<char> packed, ElementType type, int64_t count) {
  const unsigned bits = storedBits(type), perByte = 8 / bits;
  const bool isSigned = type == ElementType::Int4 || type == ElementType::Int2;
  std::vector<char> result(count);
  for (int64_t i = 0; i < count; ++i) {
    const unsigned byte = static_cast<unsigned char>(packed[i / perByte]);
    const unsigned value = byte >> (i % perByte * bits) & maskTrailingOnes<unsigned>(bits);
    result[i] = static_cast<char>(isSigned ? SignExtend32(value, bits) : static_cast<int32_t>(value));
  }
  return result;
}

namespace {
/// Range of the values that int32_data may hold for an element type, and the bytes each becomes.
struct Int32Field {
  int64_t low, high;
  unsigned bytes;
};
} // namespace

static std::optional<Int32Field> int32Field(ElementType type) {
  switch (type) {
  case ElementType::Bool:
    return Int32Field{0, 1, 1};
  case ElementType::Int8:
    return Int32Field{-128, 127, 1};
  case ElementType::UInt8:
    return Int32Field{0, 255, 1};
  case ElementType::Int4:
  case ElementType::UInt4:
  case ElementType::Int2:
  case ElementType::UInt2:
    return Int32Field{-128, 255, 1}; // one packed byte; writers differ in its sign
  case ElementType::Int16:
    return Int32Field{-32768, 32767, 2};
  case ElementType::UInt16:
  case ElementType::Float16:
  case ElementType::BFloat16:
    return Int32Field{0, 65535, 2};
  case ElementType::Int32:
    return Int32Field{INT32_MIN, INT32_MAX, 4};
  default:
    return std::nullopt;
  }
}

template <typename Value, typename Field> static void append(const Field &field, std::vector<char> &data) {
  data.resize(field.size() * sizeof(Value));
  for (int i = 0; i < field.size(); ++i)
    support::endian::write<Value, llvm::endianness::little>(data.data() + i * sizeof(Value),
                                                            static_cast<Value>(field[i]));
}

static void appendInt32(const TensorProto &proto, unsigned bytes, std::vector<char> &data) {
  if (bytes == 1)
    append<int8_t>(proto.int32_data(), data);
  else if (bytes == 2)
    append<int16_t>(proto.int32_data(), data);
  else
    append<int32_t>(proto.int32_data(), data);
}

/// Names of the fields of `proto` that hold data.
static SmallVector<StringRef> filledFields(const TensorProto &proto) {
  SmallVector<StringRef> names;
  const auto add = [&](bool filled, StringRef name) {
    if (filled)
      names.push_back(name);
  };
  add(proto.has_raw_data() && !proto.raw_data().empty(), "raw_data");
  add(proto.float_data_size(), "float_data");
  add(proto.int32_data_size(), "int32_data");
  add(proto.int64_data_size(), "int64_data");
  add(proto.double_data_size(), "double_data");
  add(proto.uint64_data_size(), "uint64_data");
  add(proto.string_data_size(), "string_data");
  return names;
}

/// The typed field that belongs to `type`.
static StringRef typedField(ElementType type) {
  switch (type) {
  case ElementType::Float:
    return "float_data";
  case ElementType::Double:
    return "double_data";
  case ElementType::Int64:
    return "int64_data";
  case ElementType::UInt32:
  case ElementType::UInt64:
    return "uint64_data";
  case ElementType::String:
    return "string_data";
  default:
    return "int32_data";
  }
}

/// Appends the typed field; returns a complaint about a value that the type cannot hold, or an empty string.
static std::string readTyped(const TensorProto &proto, ElementType type, std::vector<char> &data) {
  if (std::optional<Int32Field> field = int32Field(type)) {
    for (int32_t value : proto.int32_data())
      if (value < field->low || value > field->high)
        return ("int32_data holds " + Twine(value) + ", which " + elementName(type) + " cannot").str();
    appendInt32(proto, field->bytes, data);
    return "";
  }
  if (type == ElementType::Float)
    append<float>(proto.float_data(), data);
  else if (type == ElementType::Double)
    append<double>(proto.double_data(), data);
  else if (type == ElementType::Int64)
    append<int64_t>(proto.int64_data(), data);
  else if (type == ElementType::UInt64)
    append<uint64_t>(proto.uint64_data(), data);
  else {
    for (uint64_t value : proto.uint64_data())
      if (!isUInt<32>(value))
        return ("uint64_data holds " + Twine(value) + ", which uint32 cannot").str();
    append<uint32_t>(proto.uint64_data(), data);
  }
  return "";
}

bool TensorReader::readExternal(const TensorProto &proto, StringRef owner, uint64_t bytes, std::vector<char> &data) {
  StringMap<StringRef> entries;
  for (const auto &entry : proto.external_data()) {
    if (!StringSwitch<bool>(entry.key()).Cases({"location", "offset", "length", "checksum"}, true).Default(false))
      return diagnostics.invalid(owner + " has the external data key " + quoted(entry.key()) +
                                 "; only location, offset, length and checksum are known");
    if (!entries.try_emplace(entry.key(), entry.value()).second)
      return diagnostics.invalid(owner + " has the external data key " + quoted(entry.key()) + " twice");
  }
  if (!entries.contains("location"))
    return diagnostics.invalid(owner + " is external data without a location");
  uint64_t numbers[2] = {0, bytes};
  for (auto [key, number] : {std::pair("offset", &numbers[0]), std::pair("length", &numbers[1])})
    if (auto entry = entries.find(key); entry != entries.end() && entry->second.getAsInteger(10, *number))
      return diagnostics.invalid(owner + " has external data " + key + " " + quoted(entry->second) +
                                 "; it must be a non-negative integer");
  if (numbers[1] != bytes)
    return diagnostics.invalid(owner + " has external data length " + Twine(numbers[1]) + ", but its type and " +
                               "dimensions need " + Twine(bytes) + " bytes");
  const auto checksum = entries.find("checksum");
  const bool hasChecksum = checksum != entries.end();
  if (hasChecksum && (checksum->second.size() != 40 || !all_of(checksum->second, isHexDigit)))
    return diagnostics.invalid(owner + " has external data checksum " + quoted(checksum->second) +
                               "; it must be a SHA-1 digest of 40 hexadecimal digits");
  std::string error;
  const bool isIntact =
      !hasChecksum || external.check(entries["location"], checksum->second, limits.tensorBytes, error);
  if (isIntact && external.read(entries["location"], numbers[0], bytes, !entries.contains("length"), data, error))
    return true;
  return diagnostics.invalid(owner + " (external data " + quoted(entries["location"]) + "): " + error);
}

bool TensorReader::readData(const TensorProto &proto, StringRef owner, ElementType type, int64_t count,
                            std::vector<char> &data) {
  const unsigned bits = storedBits(type);
  const int64_t stored = divideCeil(uint64_t(count) * bits, 8);
  const SmallVector<StringRef> filled = filledFields(proto);
  if (proto.data_location() == TensorProto::EXTERNAL) {
    if (!filled.empty())
      return diagnostics.invalid(owner + " is external data but has " + filled.front() + " as well");
    return readExternal(proto, owner, stored, data);
  }
  if (proto.external_data_size())
    return diagnostics.invalid(owner + " has external data entries, but its data_location is not EXTERNAL");
  if (filled.size() > 1)
    return diagnostics.invalid(owner + " has both " + filled[0] + " and " + filled[1]);
  if (filled.empty() && stored != 0)
    return diagnostics.invalid(owner + " has no data, but its type and dimensions need " + Twine(stored) + " bytes");
  if (filled.empty())
    return true;
  if (filled.front() == "raw_data") {
    const std::string &raw = proto.raw_data();
    if (static_cast<int64_t>(raw.size()) != stored)
      return diagnostics.invalid(owner + " has " + Twine(raw.size()) + " bytes of raw_data, but its type " +
                                 elementName(type) + " and dimensions need " + Twine(stored));
    data.assign(raw.begin(), raw.end());
    return true;
  }
  if (filled.front() != typedField(type))
    return diagnostics.invalid(owner + " has element type " + elementName(type) + " but its data in " + filled.front());
  if (std::string error = readTyped(proto, type, data); !error.empty())
    return diagnostics.invalid(owner + ": " + error);
  const int64_t values = bits < 8 ? stored : count;
  const int64_t size = bits < 8 ? 1 : elementBytes(type);
  if (static_cast<int64_t>(data.size()) != values * size)
    return diagnostics.invalid(owner + " has " + Twine(data.size() / size) + " values in " + filled.front() +
                               ", but its type and dimensions need " + Twine(values));
  return true;
}

bool TensorReader::read(const TensorProto &proto, const Twine &ownerName, Tensor &tensor) {
  const std::string owner = ownerName.str();
  const std::optional<ElementType> type = readElementType(proto.data_type(), owner, diagnostics);
  int64_t count = 0;
  if (!readDims(proto, owner, tensor, count) || !type)
    return false;
  if (proto.has_segment())
    return diagnostics.unsupported(owner + " is a segment of a larger tensor; store it whole");
  if (!proto.unknown_fields().empty())
    return diagnostics.invalid(owner + " has a field or data location that no known version of ONNX defines");
  if (*type == ElementType::String)
    return diagnostics.unsupported(owner + " holds strings; only numbers are supported");
  int64_t bytes = count * elementBytes(*type); // at most 2^31 elements of 8 bytes
  if (AddOverflow(totalBytes, bytes, totalBytes) || totalBytes > limits.tensorBytes)
    return diagnostics.invalid(owner + " brings all tensors together to more than " + Twine(limits.tensorBytes) +
                               " bytes");
  std::vector<char> data;
  if (!readData(proto, owner, *type, count, data))
    return false;
  if (storedBits(*type) < 8)
    data = unpack(data, *type, count);
  if (*type == ElementType::Bool && any_of(data, [](char value) { return value & ~1; }))
    return diagnostics.invalid(owner + " has type bool but holds a value other than 0 and 1");
  tensor.type = *type;
  tensor.storage = std::make_shared<const std::vector<char>>(std::move(data));
  return true;
}

} // namespace anybit::onnx
