#include "anybit/Frontend/ONNX/Graph.h"

namespace anybit::onnx {

unsigned elementBytes(ElementType type) {
  switch (type) {
  case ElementType::Undefined:
  case ElementType::String:
    return 0;
  case ElementType::UInt8:
  case ElementType::Int8:
  case ElementType::Bool:
  case ElementType::UInt4:
  case ElementType::Int4:
  case ElementType::UInt2:
  case ElementType::Int2:
    return 1;
  case ElementType::UInt16:
  case ElementType::Int16:
  case ElementType::Float16:
  case ElementType::BFloat16:
    return 2;
  case ElementType::Float:
  case ElementType::Int32:
  case ElementType::UInt32:
    return 4;
  case ElementType::Int64:
  case ElementType::Double:
  case ElementType::UInt64:
    return 8;
  }
  return 0;
}

llvm::StringRef elementName(ElementType type) {
  switch (type) {
  case ElementType::Undefined:
    return "undefined";
  case ElementType::Float:
    return "float";
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
  case ElementType::String:
    return "string";
  case ElementType::Bool:
    return "bool";
  case ElementType::Float16:
    return "float16";
  case ElementType::Double:
    return "double";
  case ElementType::UInt32:
    return "uint32";
  case ElementType::UInt64:
    return "uint64";
  case ElementType::BFloat16:
    return "bfloat16";
  case ElementType::UInt4:
    return "uint4";
  case ElementType::Int4:
    return "int4";
  case ElementType::UInt2:
    return "uint2";
  case ElementType::Int2:
    return "int2";
  }
  return "unknown";
}

int64_t Tensor::count() const {
  int64_t count = 1;
  for (int64_t dim : dims)
    count *= dim;
  return count;
}

} // namespace anybit::onnx
