#include "anybit/Dialect/Msq/IR/Msq.h"

using namespace mlir;
using namespace anybit::msq;

/// Checks the window attributes of an op over `spatial` dimensions.
static LogicalResult verifyWindow(Operation *op, int64_t spatial, ArrayRef<int64_t> strides, ArrayRef<int64_t> pads,
                                  ArrayRef<int64_t> dilations) {
  if (spatial != 1 && spatial != 2)
    return op->emitOpError("works on 1 or 2 spatial dimensions, got ") << spatial;
  if (int64_t(strides.size()) != spatial || int64_t(dilations.size()) != spatial ||
      int64_t(pads.size()) != 2 * spatial)
    return op->emitOpError("needs ") << spatial << " strides and dilations and " << 2 * spatial << " pads";
  if (llvm::any_of(strides, [](int64_t v) { return v < 1; }) || llvm::any_of(dilations, [](int64_t v) { return v < 1; }))
    return op->emitOpError("has a stride or dilation below 1");
  if (llvm::any_of(pads, [](int64_t v) { return v < 0; }))
    return op->emitOpError("has a negative pad");
  return success();
}

/// Checks that every window begins inside the padded input, and for convolutions ends there.
static LogicalResult verifyExtents(Operation *op, RankedTensorType in, RankedTensorType out, ArrayRef<int64_t> kernel,
                                   ArrayRef<int64_t> strides, ArrayRef<int64_t> pads, ArrayRef<int64_t> dilations,
                                   bool mayReachOver) {
  for (int64_t d = 0, e = kernel.size(); d < e; ++d) {
    int64_t padded = in.getDimSize(d + 2) + pads[d] + pads[d + e];
    int64_t reach = mayReachOver ? 1 : (kernel[d] - 1) * dilations[d] + 1;
    if (out.getDimSize(d + 2) >= 1 && (out.getDimSize(d + 2) - 1) * strides[d] + reach > padded)
      return op->emitOpError("reads past its padded input in dimension ")
             << d + 2 << ": " << out.getDimSize(d + 2) << " windows do not fit " << padded << " positions";
  }
  return success();
}

LogicalResult ConvOp::verify() {
  auto in = cast<RankedTensorType>(getInput().getType());
  auto weights = cast<RankedTensorType>(getWeights().getType());
  auto out = cast<RankedTensorType>(getOutput().getType());
  if (weights.getRank() != in.getRank() || out.getRank() != in.getRank() || in.getRank() < 3)
    return emitOpError("needs input, weights and output of one rank of at least 3");
  if (failed(verifyWindow(*this, in.getRank() - 2, getStrides(), getPads(), getDilations())))
    return failure();
  if (getGroups() < 1 || in.getDimSize(1) != weights.getDimSize(1) * int64_t(getGroups()))
    return emitOpError("has ") << in.getDimSize(1) << " input channels, but " << getGroups() << " groups of "
                               << weights.getDimSize(1);
  if (weights.getDimSize(0) % getGroups() != 0 || out.getDimSize(1) != weights.getDimSize(0))
    return emitOpError("has ") << weights.getDimSize(0) << " filters in " << getGroups() << " groups for "
                               << out.getDimSize(1) << " output channels";
  if (out.getDimSize(0) != in.getDimSize(0))
    return emitOpError("changes the batch size");
  return verifyExtents(*this, in, out, weights.getShape().drop_front(2), getStrides(), getPads(), getDilations(),
                       /*mayReachOver=*/false);
}

LogicalResult BatchNormOp::verify() {
  auto in = cast<RankedTensorType>(getInput().getType());
  if (in.getRank() < 2)
    return emitOpError("needs a channel dimension, got rank ") << in.getRank();
  for (Value parameter : {getGamma(), getBeta(), getMean(), getVariance()})
    if (cast<RankedTensorType>(parameter.getType()).getDimSize(0) != in.getDimSize(1))
      return emitOpError("has ") << in.getDimSize(1) << " channels, but a parameter of type " << parameter.getType();
  return success();
}

LogicalResult PoolOp::verify() {
  auto in = cast<RankedTensorType>(getInput().getType());
  auto out = cast<RankedTensorType>(getOutput().getType());
  bool isTotal = getKind() == PoolKind::Total;
  Type element = isTotal ? Type(IntegerType::get(getContext(), 32)) : in.getElementType();
  if (out.getElementType() != element || (isTotal && !in.getElementType().isInteger(8)) || in.getRank() != out.getRank() ||
      in.getRank() < 3 || in.getShape().take_front(2) != out.getShape().take_front(2))
    return emitOpError("turns ") << in << " into " << out;
  if (int64_t(getKernel().size()) != in.getRank() - 2)
    return emitOpError("needs a kernel size per spatial dimension");
  if (getKind() == PoolKind::Average && !in.getElementType().isF32())
    return emitOpError("averages real values only");
  if (failed(verifyWindow(*this, in.getRank() - 2, getStrides(), getPads(), getDilations())))
    return failure();
  return verifyExtents(*this, in, out, getKernel(), getStrides(), getPads(), getDilations(), /*mayReachOver=*/true);
}

LogicalResult ResizeOp::verify() {
  auto in = cast<RankedTensorType>(getInput().getType());
  auto out = cast<RankedTensorType>(getOutput().getType());
  if (in.getElementType() != out.getElementType() || in.getRank() != out.getRank() ||
      int64_t(getScales().size()) != in.getRank())
    return emitOpError("turns ") << in << " into " << out << " with " << getScales().size() << " scales";
  if (getMode() != "nearest" && getMode() != "linear")
    return emitOpError("has mode ") << getMode() << ", expected nearest or linear";
  if (getMode() == "linear" && !in.getElementType().isF32())
    return emitOpError("interpolates real values only");
  return success();
}
