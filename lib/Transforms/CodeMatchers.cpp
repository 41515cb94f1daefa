#include "CodeMatchers.h"
#include "Constants.h"

#include "anybit/Dialect/Lowbit/IR/Lowbit.h"
#include "anybit/weights.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/ReshapeOpsUtils.h"

#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;

namespace anybit {

static bool isScalar(Value parameter) { return cast<RankedTensorType>(parameter.getType()).getNumElements() == 1; }

std::optional<ActivationCodes> matchActivation(Value real) {
  auto op = real.getDefiningOp<msq::DequantizeOp>();
  if (!op || op.getBits() || op.getFormat().getKind() == msq::FormatKind::Signed || !isScalar(op.getScale()) ||
      constantBytes(op.getCodes()))
    return std::nullopt;
  std::optional<float> scale = constantReal(op.getScale());
  std::optional<int32_t> zero = constantInteger(op.getZero());
  if (!scale || !zero)
    return std::nullopt;
  ActivationCodes result{op.getCodes(), *scale, *zero, op.getFormat().lowestCode(), op.getFormat().highestCode()};
  if (op.getFormat().getKind() == msq::FormatKind::Odd) {
    result.factor = 2;
    result.zero = int32_t(result.high);
  }
  return result;
}

Value emitInteger(OpBuilder &b, Location loc, Value value, int32_t factor, Value zero) {
  if (factor == 2)
    value = arith::AddIOp::create(b, loc, value, value);
  return arith::SubIOp::create(b, loc, value, zero);
}

std::optional<Quantizer> matchQuantizer(Operation *operation) {
  auto op = dyn_cast<msq::QuantizeOp>(operation);
  if (!op || op.getBits() || !isScalar(op.getScale()) || !isScalar(op.getZero()))
    return std::nullopt;
  std::optional<float> scale = constantReal(op.getScale());
  std::optional<int32_t> zero = constantInteger(op.getZero());
  if (!scale || !zero)
    return std::nullopt;
  bool hasZero = op.getFormat().getKind() == msq::FormatKind::Unsigned;
  return Quantizer{op, *scale, hasZero ? *zero : 0, op.getFormat()};
}

bool Quantizer::equals(const Quantizer &other) const {
  return format == other.format && scale == other.scale && zero == other.zero;
}

int32_t Quantizer::codeOf(double scaled) const {
  double rounded = std::isnan(scaled) ? 0 : isOdd() ? std::floor(scaled * 0.5) : std::nearbyint(scaled);
  return int32_t(std::clamp(rounded + shift(), double(low()), double(high())));
}

Value emitCode(OpBuilder &b, Location loc, Value scaled, const Quantizer &quantizer) {
  if (quantizer.isOdd()) {
    Value half = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0.5f));
    scaled = math::FloorOp::create(b, loc, arith::MulFOp::create(b, loc, scaled, half));
  }
  return lowbit::RoundOp::create(b, loc, b.getI8Type(), scaled, b.getI32IntegerAttr(quantizer.low()),
                                 b.getI32IntegerAttr(quantizer.high()), b.getI32IntegerAttr(quantizer.shift()));
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

std::vector<int32_t> WeightCodes::integers() const {
  std::vector<int32_t> result;
  bool isSigned = format.getKind() == msq::FormatKind::Signed;
  std::vector<char> bytes = *constantBytes(codes);
  for (char byte : bytes)
    result.push_back(anybit_decode(uint32_t(format.getKind()), format.getBits(), zero,
                                   isSigned ? int32_t(int8_t(byte)) : int32_t(uint8_t(byte))));
  return result;
}

std::pair<int64_t, int64_t> accumulatorRange(ArrayRef<int32_t> weights, int64_t low, int64_t high) {
  low = std::min<int64_t>(0, low);
  high = std::max<int64_t>(0, high);
  int64_t positive = 0, negative = 0;
  for (int32_t weight : weights)
    (weight > 0 ? positive : negative) += weight;
  constexpr int64_t limit = int64_t(1) << 61;
  auto times = [&](int64_t sum, int64_t code) {
    int64_t product;
    if (llvm::MulOverflow(sum, code, product))
      return (sum < 0) == (code < 0) ? limit : -limit;
    return std::clamp(product, -limit, limit);
  };
  return {times(positive, low) + times(negative, high), times(positive, high) + times(negative, low)};
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
  Clip clip;
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

/// The clip that equals `first` and then `second` (numerics G4).
static Clip compose(const Clip &first, const Clip &second) {
  auto apply = [&](double bound) { return std::min(std::max(bound, second.low), second.high); };
  return {apply(first.low), apply(first.high)};
}

std::optional<Tail> matchTail(Value value) {
  Tail tail;
  tail.end = value;
  while (tail.end.hasOneUse()) {
    auto generic = dyn_cast<linalg::GenericOp>(*tail.end.user_begin());
    std::optional<Clip> clip = generic ? matchClip(generic) : std::nullopt;
    if (!clip)
      break;
    tail.clip = compose(tail.clip, *clip);
    tail.end = generic.getResult(0);
  }
  SmallVector<Quantizer> all;
  for (Operation *user : tail.end.getUsers()) {
    std::optional<Quantizer> quantizer = matchQuantizer(user);
    if (!quantizer)
      return std::nullopt;
    all.push_back(*quantizer);
  }
  if (all.empty())
    return std::nullopt;
  // Users come in reverse order of creation; the order of the file keeps results in a stable order.
  std::sort(all.begin(), all.end(), [](Quantizer &a, Quantizer &b) { return a.op->isBeforeInBlock(b.op); });
  for (Quantizer &quantizer : all) {
    auto known = llvm::find_if(tail.quantizers, [&](const Quantizer &other) { return other.equals(quantizer); });
    tail.replaced.emplace_back(quantizer.op, known - tail.quantizers.begin());
    if (known == tail.quantizers.end())
      tail.quantizers.push_back(quantizer);
  }
  return tail;
}

/// max/min with the bounds over `scale`, by comparison: no value is NaN here.
static Value emitClip(OpBuilder &b, Location loc, Value value, const Clip &clip, float scale) {
  auto limit = [&](double bound, arith::CmpFPredicate keep) {
    if (std::isinf(bound))
      return;
    Value edge = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(float(bound) / scale));
    value = arith::SelectOp::create(b, loc, arith::CmpFOp::create(b, loc, keep, value, edge), value, edge);
  };
  limit(clip.low, arith::CmpFPredicate::OGT);
  limit(clip.high, arith::CmpFPredicate::OLT);
  return value;
}

SmallVector<Value> emitTail(OpBuilder &b, Location loc, Value value, const Tail &tail, bool isScaled) {
  value = emitClip(b, loc, value, tail.clip, isScaled ? tail.quantizers[0].scale : 1.0f);
  if (isScaled)
    return {emitCode(b, loc, value, tail.quantizers[0])};
  SmallVector<Value> results;
  for (const Quantizer &quantizer : tail.quantizers) {
    Value reciprocal = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(1.0f / quantizer.scale));
    results.push_back(emitCode(b, loc, arith::MulFOp::create(b, loc, value, reciprocal), quantizer));
  }
  return results;
}

Value emitReshape(OpBuilder &b, Location loc, Value value, ArrayRef<int64_t> shape) {
  auto from = cast<RankedTensorType>(value.getType());
  if (from.getShape() == shape)
    return value;
  auto to = RankedTensorType::get(shape, from.getElementType());
  std::optional<SmallVector<ReassociationIndices>> groups = getReassociationIndicesForReshape(from, to);
  if (groups && from.getRank() > to.getRank())
    return tensor::CollapseShapeOp::create(b, loc, to, value, *groups);
  if (groups && from.getRank() < to.getRank())
    return tensor::ExpandShapeOp::create(b, loc, to, value, *groups);
  Value flat = emitReshape(b, loc, value, {from.getNumElements()});
  return emitReshape(b, loc, flat, shape);
}

} // namespace anybit
