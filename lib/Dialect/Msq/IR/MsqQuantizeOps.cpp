#include "anybit/Dialect/Msq/IR/Msq.h"

using namespace mlir;
using namespace anybit::msq;

/// Scale and zero are scalars, or vectors as long as the quantized axis.
static LogicalResult verifyParameters(Operation *op, RankedTensorType tensor, RankedTensorType scale,
                                      RankedTensorType zero, int64_t axis) {
  for (RankedTensorType parameter : {scale, zero}) {
    if (parameter.getRank() == 0)
      continue;
    if (axis < 0 || axis >= tensor.getRank())
      return op->emitOpError("has axis ") << axis << ", but the tensor has rank " << tensor.getRank();
    if (parameter.getRank() != 1 || parameter.getDimSize(0) != tensor.getDimSize(axis))
      return op->emitOpError("has a parameter of type ")
             << parameter << ", expected a scalar or " << tensor.getDimSize(axis) << " elements";
  }
  return success();
}

static LogicalResult verifyQuantizer(Operation *op, Value real, Value codes, Value scale, Value zero, int64_t axis) {
  auto realType = cast<RankedTensorType>(real.getType());
  if (realType.getShape() != cast<RankedTensorType>(codes.getType()).getShape())
    return op->emitOpError("has reals of type ") << realType << " but codes of type " << codes.getType();
  return verifyParameters(op, realType, cast<RankedTensorType>(scale.getType()),
                          cast<RankedTensorType>(zero.getType()), axis);
}

LogicalResult QuantizeOp::verify() {
  return verifyQuantizer(*this, getInput(), getCodes(), getScale(), getZero(), getAxis());
}

LogicalResult DequantizeOp::verify() {
  return verifyQuantizer(*this, getOutput(), getCodes(), getScale(), getZero(), getAxis());
}
