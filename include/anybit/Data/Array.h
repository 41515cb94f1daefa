//===- Array.h - a dense array in memory ------------------------*- C++ -*-===//
//
// What the data room reads and writes: row-major, in the machine's byte order.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_DATA_ARRAY_H
#define ANYBIT_DATA_ARRAY_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace anybit::data {

/// The numbers of ONNX TensorProto.DataType, for the types a `.npy` file may hold here.
enum class ElementType : int32_t {
  Float32 = 1,
  UInt8 = 2,
  Int8 = 3,
  UInt16 = 4,
  Int16 = 5,
  Int32 = 6,
  Int64 = 7,
  Bool = 9,
  Float16 = 10,
  Float64 = 11,
};

/// Bytes of one element.
unsigned elementBytes(ElementType type);

/// NumPy's name of the type, for example "float32".
llvm::StringRef elementName(ElementType type);

/// "1x3x224x224"; a negative dimension is free and printed as "?"; rank 0 is "scalar".
std::string shapeText(llvm::ArrayRef<int64_t> dims);

/// Bytes of an array of this type and these dimensions. Fails on a negative dimension and where the product does not
/// fit in a signed 64-bit number.
llvm::Expected<uint64_t> byteSize(ElementType type, llvm::ArrayRef<int64_t> dims);

/// A dense row-major array. `bytes` always has the size that `type` and `dims` say.
struct Array {
  ElementType type = ElementType::Float32;
  llvm::SmallVector<int64_t, 4> dims;
  std::vector<char> bytes;

  /// An array of zeros; fails as `byteSize` does.
  static llvm::Expected<Array> zeros(ElementType type, llvm::ArrayRef<int64_t> dims);

  /// Number of elements.
  int64_t count() const { return static_cast<int64_t>(bytes.size() / elementBytes(type)); }

  /// The elements as T, which must be the C++ type of `type`.
  template <typename T> llvm::ArrayRef<T> values() const {
    return {reinterpret_cast<const T *>(bytes.data()), bytes.size() / sizeof(T)};
  }
  template <typename T> llvm::MutableArrayRef<T> mutableValues() {
    return {reinterpret_cast<T *>(bytes.data()), bytes.size() / sizeof(T)};
  }
};

} // namespace anybit::data

#endif // ANYBIT_DATA_ARRAY_H
