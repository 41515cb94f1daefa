//===- ElementTypes.h - the element types of tensors ------------*- C++ -*-===//
//
// One table for files of ONNX and of NumPy. The numbers are those of TensorProto.DataType.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_SUPPORT_ELEMENTTYPES_H
#define ANYBIT_SUPPORT_ELEMENTTYPES_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>

namespace anybit {

struct ElementTypeInfo {
  int32_t number;
  unsigned bytes; ///< Of one element in memory, where types below a byte are one byte each; strings have 0.
  llvm::StringRef onnxName, numpyName; ///< "float", "float32"; types that NumPy has not are called as in ONNX.
};

/// The type of that number, or null.
const ElementTypeInfo *findElementType(int32_t number);

} // namespace anybit

#endif // ANYBIT_SUPPORT_ELEMENTTYPES_H
