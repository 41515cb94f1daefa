#include "Fold.h"
#include "Tensors.h"

using namespace mlir;
using namespace anybit::onnx;

Tensor anybit::onnx::castTensor(const Tensor &tensor, ElementType type) {
  if (tensor.type == type)
    return tensor;
  if (isRealType(tensor.type)) {
    if (tensor.type == ElementType::Double || !isRealType(type))
      return tensorOf(type, tensor.dims, elementsOf<double>(tensor));
    return tensorOf(type, tensor.dims, elementsOf<float>(tensor));
  }
  if (isSignedType(tensor.type))
    return tensorOf(type, tensor.dims, elementsOf<int64_t>(tensor));
  return tensorOf(type, tensor.dims, elementsOf<uint64_t>(tensor));
}

LogicalResult anybit::onnx::foldCast(NodeContext &ctx) {
  ElementType to = ctx.node.op == "CastLike" ? ctx.type(1) : ElementType(ctx.intAttr("to", 0));
  if (ctx.failed() || elementBytes(to) == 0 || elementBytes(ctx.type(0)) == 0)
    return ctx.unsupported("casts from " + elementName(ctx.type(0)) + " to " + elementName(to) +
                           " are not implemented");
  if (to == ElementType::Int4 || to == ElementType::UInt4 || to == ElementType::Int2 || to == ElementType::UInt2)
    return ctx.unsupported("casts to " + elementName(to) + " are not implemented");
  if (!ctx.mayFold(ctx.dims(0), to))
    return failure();
  ctx.resultConstant(0, castTensor(*ctx.constant(0), to));
  return success();
}
