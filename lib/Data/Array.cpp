#include "anybit/Data/Array.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace anybit::data {

unsigned elementBytes(ElementType type) {
  switch (type) {
  case ElementType::UInt8:
  case ElementType::Int8:
  case ElementType::Bool:
    return 1;
  case ElementType::UInt16:
  case ElementType::Int16:
  case ElementType::Float16:
    return 2;
  case ElementType::Float32:
  case ElementType::Int32:
    return 4;
  case ElementType::Int64:
  case ElementType::Float64:
    break;
  }
  return 8;
}

StringRef elementName(ElementType type) {
  switch (type) {
  case ElementType::Float32:
    return "float32";
  case ElementType::UInt8:
    return "uint8";
  case ElementType::Int8:
    return "int8";
  case ElementType::UInt16:
    return "uint16";
  case ElementType::Int16:
    return "int16";
  case ElementType::Int32:
    return "int32";
  case ElementType::Int64:
    return "int64";
  case ElementType::Bool:
    return "bool";
  case ElementType::Float16:
    return "float16";
  case ElementType::Float64:
    break;
  }
  return "float64";
}

std::string shapeText(ArrayRef<int64_t> dims) {
  if (dims.empty())
    return "scalar";
  std::string text;
  for (auto [index, dim] : enumerate(dims)) {
    text += index ? "x" : "";
    text += dim < 0 ? "?" : std::to_string(dim);
  }
  return text;
}

Expected<uint64_t> byteSize(ElementType type, ArrayRef<int64_t> dims) {
  int64_t size = elementBytes(type);
  bool empty = is_contained(dims, 0);
  for (int64_t dim : dims) {
    if (dim < 0)
      return createStringError("dimension " + Twine(dim) + " of shape " + shapeText(dims) + " is negative");
    // The other dimensions of an empty array are checked too: code that multiplies them must not overflow.
    if (MulOverflow(size, empty ? std::max<int64_t>(dim, 1) : dim, size))
      return createStringError("an array of shape " + shapeText(dims) + " has more bytes than 64 bits can count");
  }
  return empty ? 0 : static_cast<uint64_t>(size);
}

Expected<Array> Array::zeros(ElementType type, ArrayRef<int64_t> dims) {
  Expected<uint64_t> size = byteSize(type, dims);
  if (!size)
    return size.takeError();
  Array array;
  array.type = type;
  array.dims.assign(dims.begin(), dims.end());
  array.bytes.resize(*size);
  return array;
}

} // namespace anybit::data
