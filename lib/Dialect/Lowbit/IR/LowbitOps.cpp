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
    bool perChannel = type.getRank() == 1 && type.getDimSize(0) >= shape[1] && !type.getElementType().isInteger(8);
    if (!perElement && !perChannel)
      return op.emitOpError("has a parameter of type ") << type << ", expected " << shape[1] << " channels or the result's shape";
  }
  return success();
}

/// Window attributes as in `msq.conv`: every window lies inside of the padded input.
static LogicalResult verifyWindow(ConvOp op, RankedTensorType in, RankedTensorType out) {
  int64_t spatial = in.getRank() - 2;
  ArrayRef<int64_t> strides = op.getStrides(), dilations = op.getDilations(), kernel = op.getKernel(), pads = op.getPads();
  if (int64_t(strides.size()) != spatial || int64_t(dilations.size()) != spatial || int64_t(kernel.size()) != spatial ||
      int64_t(pads.size()) != 2 * spatial)
    return op.emitOpError("needs ") << spatial << " strides, dilations and kernel sizes and " << 2 * spatial << " pads";
  auto below = [](ArrayRef<int64_t> values, int64_t least) {
    return llvm::any_of(values, [=](int64_t value) { return value < least; });
  };
  if (below(strides, 1) || below(dilations, 1) || below(kernel, 1) || below(pads, 0))
    return op.emitOpError("has a stride, dilation or kernel size below 1 or a negative pad");
  for (int64_t d = 0; d < spatial; ++d) {
    int64_t padded = in.getDimSize(d + 2) + pads[d] + pads[d + spatial], windows = out.getDimSize(d + 2);
    if (windows > 0 && (windows - 1) * strides[d] + (kernel[d] - 1) * dilations[d] + 1 > padded)
      return op.emitOpError("reads past its padded input in dimension ")
             << d + 2 << ": " << windows << " windows do not fit " << padded << " positions";
  }
  return success();
}

/// O, I/groups, kernel before packing; after it a list of values, with the accumulators of codes beside it.
static LogicalResult verifyWeights(ConvOp op, RankedTensorType in, RankedTensorType weights) {
  if (weights.getElementType() != in.getElementType())
    return op.emitOpError("mixes an input of type ") << in << " with weights of type " << weights;
  if (!op.isReal() && !op.getWeightFormat())
    return op.emitOpError("needs a weight format for codes");
  if (weights.getEncoding()) {
    if (weights.getRank() != 1 && weights.getRank() != 5)
      return op.emitOpError("has packed weights of rank ") << weights.getRank()
                                                   << ", expected 1, or 5 when computed at run time";
    if (op.isReal() == bool(op.getInitial()))
      return op.emitOpError("needs initial accumulators for packed codes, and for those only");
    return success();
  }
  SmallVector<int64_t> expected{op.getOutputChannels(), in.getDimSize(1) / int64_t(op.getGroups())};
  llvm::append_range(expected, op.getKernel());
  if (weights.getShape() != ArrayRef(expected))
    return op.emitOpError("has weights of type ")
           << weights << ", expected " << RankedTensorType::get(expected, in.getElementType());
  return success();
}

LogicalResult ConvOp::verify() {
  if (getNumResults() == 0)
    return emitOpError("has no result");
  auto in = cast<RankedTensorType>(getInput().getType());
  auto weights = cast<RankedTensorType>(getWeights().getType());
  auto out = cast<RankedTensorType>(getOutputs().front().getType());
  if (in.getRank() != 3 && in.getRank() != 4)
    return emitOpError("works on 1 or 2 spatial dimensions, got ") << in.getRank() - 2;
  if (out.getRank() != in.getRank() || out.getDimSize(0) != in.getDimSize(0))
    return emitOpError("turns ") << in << " into " << out << ", expected equal ranks and batch sizes";
  if (failed(verifyWindow(*this, in, out)))
    return failure();
  if (getGroups() < 1 || in.getDimSize(1) % getGroups() != 0 || getOutputChannels() % getGroups() != 0)
    return emitOpError("has ") << getGroups() << " groups for " << in.getDimSize(1) << " inputs and "
                               << getOutputChannels() << " outputs";
  if (int32_t(getInputHigh()) < 0 || int32_t(getInputHigh()) > 255)
    return emitOpError("has ") << int32_t(getInputHigh()) << " as highest input code, expected 0 to 255";
  if (failed(verifyWeights(*this, in, weights)) || failed(verifyParameters(*this)))
    return failure();
  return verifyEpilogue(*this);
}

LogicalResult RoundOp::verify() {
  int64_t low = int32_t(getLow()), high = int32_t(getHigh());
  if (low > high || high - low > 255)
    return emitOpError("has codes from ") << low << " to " << high << ", expected 1 to 256 codes";
  return success();
}
