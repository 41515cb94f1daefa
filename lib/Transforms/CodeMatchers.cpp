#include "CodeMatchers.h"
#include "Constants.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <limits>

using namespace mlir;

namespace anybit {

static bool isScalar(Value parameter) { return cast<RankedTensorType>(parameter.getType()).getNumElements() == 1; }

std::optional<ActivationCodes> matchActivation(Value real) {
  auto op = real.getDefiningOp<msq::DequantizeOp>();
  if (!op || op.getBits() || op.getFormat().getKind() != msq::FormatKind::Unsigned || !isScalar(op.getScale()))
    return std::nullopt;
  std::optional<float> scale = constantReal(op.getScale());
  std::optional<int32_t> zero = constantInteger(op.getZero());
  if (!scale || !zero || *zero < 0 || *zero > op.getFormat().highestCode())
    return std::nullopt;
  return ActivationCodes{op.getCodes(), *scale, *zero};
}

std::optional<Quantizer> matchQuantizer(Operation *operation) {
  auto op = dyn_cast<msq::QuantizeOp>(operation);
  if (!op || op.getBits() || op.getFormat().getKind() != msq::FormatKind::Unsigned || !isScalar(op.getScale()))
    return std::nullopt;
  std::optional<float> scale = constantReal(op.getScale());
  std::optional<int32_t> zero = constantInteger(op.getZero());
  if (!scale || !zero)
    return std::nullopt;
  return Quantizer{op, *scale, *zero, op.getFormat()};
}

std::optional<WeightCodes> matchWeights(Value real) {
  auto op = real.getDefiningOp<msq::DequantizeOp>();
  if (!op || op.getBits() || !constantBytes(op.getCodes()))
    return std::nullopt;
  std::optional<std::vector<float>> scales = constantReals(op.getScale());
  std::optional<int32_t> zero = constantInteger(op.getZero());
  if (!scales || !zero || (scales->size() > 1 && op.getAxis() != 0))
    return std::nullopt;
  return WeightCodes{op.getCodes(), op.getFormat(), *zero, std::move(*scales)};
}

bool isElementwise(linalg::GenericOp op) {
  if (op.getNumParallelLoops() != op.getNumLoops() || op.hasIndexSemantics())
    return false;
  for (OpOperand &init : op.getDpsInitsMutable())
    if (!op.getMatchingIndexingMap(&init).isIdentity() || op.payloadUsesValueFromOperand(&init))
      return false;
  return true;
}

bool isWholeOperand(linalg::GenericOp op, OpOperand &operand) {
  return op.isDpsInput(&operand) && op.getMatchingIndexingMap(&operand).isIdentity();
}

std::optional<Clip> matchClip(linalg::GenericOp op) {
  if (!isElementwise(op) || op.getNumDpsInputs() != 1 || op.getNumResults() != 1 ||
      !isWholeOperand(op, *op.getDpsInputOperand(0)))
    return std::nullopt;
  Clip clip{-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  Value current = op.getBody()->getArgument(0);
  for (Operation &inner : op.getBody()->without_terminator()) {
    if (isa<arith::ConstantOp>(inner))
      continue;
    bool isMax = isa<arith::MaximumFOp, arith::MaxNumFOp>(inner);
    if ((!isMax && !isa<arith::MinimumFOp, arith::MinNumFOp>(inner)) || !llvm::is_contained(inner.getOperands(), current))
      return std::nullopt;
    Value other = inner.getOperand(inner.getOperand(0) == current ? 1 : 0);
    auto bound = other.getDefiningOp<arith::ConstantOp>();
    auto value = bound ? dyn_cast<FloatAttr>(bound.getValue()) : FloatAttr();
    if (!value)
      return std::nullopt;
    double limit = value.getValueAsDouble();
    clip.low = isMax ? std::max(clip.low, limit) : std::min(clip.low, limit);
    clip.high = isMax ? std::max(clip.high, limit) : std::min(clip.high, limit);
    current = inner.getResult(0);
  }
  if (current != op.getBody()->getTerminator()->getOperand(0) || current == op.getBody()->getArgument(0))
    return std::nullopt;
  return clip;
}

} // namespace anybit
