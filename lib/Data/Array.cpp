#include "anybit/Data/Array.h"

#include "anybit/Support/ElementTypes.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace anybit::data {

/// An artifact of a later version may name a type that is not known here: bytes.
unsigned elementBytes(ElementType type) {
  const ElementTypeInfo *info = findElementType(static_cast<int32_t>(type));
  return info && info->bytes ? info->bytes : 1;
}

StringRef elementName(ElementType type) {
  const ElementTypeInfo *info = findElementType(static_cast<int32_t>(type));
  return info ? info->numpyName : "unknown";
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
