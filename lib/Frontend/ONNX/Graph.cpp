#include "anybit/Frontend/ONNX/Graph.h"

#include "anybit/Support/ElementTypes.h"

namespace anybit::onnx {

unsigned elementBytes(ElementType type) {
  const ElementTypeInfo *info = findElementType(static_cast<int32_t>(type));
  return info ? info->bytes : 0;
}

llvm::StringRef elementName(ElementType type) {
  const ElementTypeInfo *info = findElementType(static_cast<int32_t>(type));
  return info ? info->onnxName : "unknown";
}

int64_t Tensor::count() const {
  int64_t count = 1;
  for (int64_t dim : dims)
    count *= dim;
  return count;
}

} // namespace anybit::onnx
