#include "anybit/Dialect/Lowbit/IR/Lowbit.h"

using namespace mlir;
using namespace anybit::lowbit;

int64_t ConvOp::getOutputChannels() { return cast<RankedTensorType>(getOutputs().front().getType()).getDimSize(1); }

/// The epilogue takes the accumulator and one element of every parameter, and yields one of every result.
static LogicalResult verifyEpilogue(ConvOp op) {
  Block &body = op.getBody();
  if (body.getNumArguments() != op.getParameters().size() + 1)
    return op.emitOpError("has an epilogue of ")
           << body.getNumArguments() << " arguments for an accumulator and " << op.getParameters().size() << " parameters";
  Type accumulator = op.isReal() ? Type(Float32Type::get(op.getContext())) : IntegerType::get(op.getContext(), 32);
  if (body.getArgument(0).getType() != accumulator)
    return op.emitOpError("accumulates in ") << accumulator << ", but its epilogue takes " << body.getArgument(0).getType();
  for (auto [argument, parameter] : llvm::zip(body.getArguments().drop_front(), op.getParameters()))
    if (argument.getType() != cast<ShapedType>(parameter.getType()).getElementType())
      return op.emitOpError("has an epilogue argument of type ")
             << argument.getType() << " for a parameter of type " << parameter.getType();
  auto yield = dyn_cast<YieldOp>(body.back());
  if (!yield || yield.getNumOperands() != op.getNumResults())
    return op.emitOpError("must yield one element for each of its ") << op.getNumResults() << " results";
  for (auto [value, result] : llvm::zip(yield.getValues(), op.getOutputs()))
    if (value.getType() != cast<ShapedType>(result.getType()).getElementType())
      return op.emitOpError("yields ") << value.getType() << " for a result of type " << result.getType();
  return success();
}

static LogicalResult verifyParameters(ConvOp op) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(op.getOutputs().front().getType()).getShape();
  for (Value result : op.getOutputs())
    if (cast<RankedTensorType>(result.getType()).getShape() != shape)
      return op.emitOpError("has results of different shapes");
  for (Value parameter : op.getParameters()) {
    auto type = cast<RankedTensorType>(parameter.getType());
    bool perElement = type.getShape() == shape;
    bool perChannel = type.getRank() == 1 && type.getDimSize(0) >= shape[1];
    if (!perElement && !perChannel)
      return op.emitOpError("has a parameter of type ") << type << ", expected " << shape[1] << " channels or the result's shape";
  }
  return success();
}

LogicalResult ConvOp::verify() {
  if (getNumResults() == 0)
    return emitOpError("has no result");
  auto in = cast<RankedTensorType>(getInput().getType());
  auto weights = cast<RankedTensorType>(getWeights().getType());
  int64_t spatial = in.getRank() - 2;
  if (spatial != 1 && spatial != 2)
    return emitOpError("works on 1 or 2 spatial dimensions, got ") << spatial;
  if (int64_t(getStrides().size()) != spatial || int64_t(getDilations().size()) != spatial ||
      int64_t(getKernel().size()) != spatial || int64_t(getPads().size()) != 2 * spatial)
    return emitOpError("needs ") << spatial << " strides, dilations and kernel sizes and " << 2 * spatial << " pads";
  if (getGroups() < 1 || in.getDimSize(1) % getGroups() != 0 || getOutputChannels() % getGroups() != 0)
    return emitOpError("has ") << getGroups() << " groups for " << in.getDimSize(1) << " inputs and "
                               << getOutputChannels() << " outputs";
  if (!weights.getEncoding() && weights.getRank() != in.getRank())
    return emitOpError("has weights of rank ") << weights.getRank() << ", expected " << in.getRank();
  if (weights.getElementType() != in.getElementType())
    return emitOpError("mixes an input of type ") << in << " with weights of type " << weights;
  if (!isReal() && !getWeightFormat())
    return emitOpError("needs a weight format for codes");
  if (failed(verifyParameters(*this)))
    return failure();
  return verifyEpilogue(*this);
}

LogicalResult RoundOp::verify() {
  if (getLow() > getHigh() || getHigh() - getLow() > 255)
    return emitOpError("has codes from ") << getLow() << " to " << getHigh() << ", expected at most 256";
  return success();
}
