//===- IntegerConvolution.cpp - convolution groups ------------------------===//
//
// docs/numerics.md, "Grouping": convolution of codes, affine chain, residual add, clip, quantizers.
//
//===----------------------------------------------------------------------===//

#include "CodeMatchers.h"
#include "Constants.h"
#include "IntegerGroups.h"
#include "anybit/Transforms/Passes.h"

#include <cmath>
#include <numeric>

using namespace mlir;

namespace anybit {
namespace {

/// What follows a convolution: real = acc * factor + offset per channel, then the rest of the group.
struct Group {
  msq::ConvOp conv;
  ActivationCodes input;
  WeightCodes weights;
  std::vector<double> factor, offset;
  int64_t axis = 1; ///< Of the channels in `end`.
  Value end;        ///< The value behind the affine chain, then the one that the quantizers read.
  std::optional<ActivationCodes> residual;
  std::optional<Tail> tail; ///< Absent: the group ends in reals.
  ArrayRef<int64_t> shape() const { return cast<RankedTensorType>(end.getType()).getShape(); }
};

/// Per-channel constants of `operand`, if it is a scalar or a vector along the channels.
std::optional<std::vector<double>> channelConstants(linalg::GenericOp op, OpOperand &operand, const Group &group) {
  std::optional<std::vector<float>> values = constantReals(operand.get());
  size_t channels = group.factor.size();
  if (!values)
    return std::nullopt;
  AffineMap map = op.getMatchingIndexingMap(&operand);
  if (values->size() == 1)
    return std::vector<double>(channels, values->front());
  if (map.getNumResults() != 1 || map.getResult(0) != getAffineDimExpr(group.axis, op.getContext()) ||
      values->size() != channels)
    return std::nullopt;
  return std::vector<double>(values->begin(), values->end());
}

/// real op constant, with the constant an operand or inside of the body.
struct ConstantStep {
  Operation *inner;
  std::vector<double> constants;
  bool valueFirst;
};

std::optional<ConstantStep> matchConstantStep(linalg::GenericOp op, const Group &group) {
  Block &body = *op.getBody();
  Operation *inner = body.getTerminator()->getOperand(0).getDefiningOp();
  if (!isElementwise(op) || op.getNumResults() != 1 || !inner || inner->getNumOperands() != 2 ||
      !isa<arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp>(inner))
    return std::nullopt;
  for (Operation &other : body.without_terminator())
    if (&other != inner && !isa<arith::ConstantOp>(other))
      return std::nullopt;
  ConstantStep step{inner, {}, false};
  bool sawValue = false;
  for (OpOperand &side : inner->getOpOperands()) {
    auto argument = dyn_cast<BlockArgument>(side.get());
    OpOperand *operand = argument ? &op->getOpOperand(argument.getArgNumber()) : nullptr;
    if (operand && operand->get() == group.end && isWholeOperand(op, *operand) && !sawValue) {
      sawValue = true;
      step.valueFirst = side.getOperandNumber() == 0;
      continue;
    }
    if (operand) {
      std::optional<std::vector<double>> constants = channelConstants(op, *operand, group);
      if (!constants)
        return std::nullopt;
      step.constants = std::move(*constants);
      continue;
    }
    auto constant = side.get().getDefiningOp<arith::ConstantOp>();
    auto scalar = constant ? dyn_cast<FloatAttr>(constant.getValue()) : FloatAttr();
    if (!scalar)
      return std::nullopt;
    step.constants.assign(group.factor.size(), scalar.getValueAsDouble());
  }
  if (!sawValue || step.constants.empty())
    return std::nullopt;
  return step;
}

/// Folds one step of the affine chain into factor and offset, in double.
bool applyStep(Group &group, const ConstantStep &step) {
  bool isSub = isa<arith::SubFOp>(step.inner), isDiv = isa<arith::DivFOp>(step.inner);
  if (isDiv && !step.valueFirst)
    return false;
  for (size_t c = 0; c < step.constants.size(); ++c) {
    double constant = step.constants[c];
    if (isa<arith::AddFOp>(step.inner)) {
      group.offset[c] += constant;
    } else if (isSub) {
      if (!step.valueFirst) {
        group.factor[c] = -group.factor[c];
        group.offset[c] = -group.offset[c];
      }
      group.offset[c] += step.valueFirst ? -constant : constant;
    } else {
      group.factor[c] = isDiv ? group.factor[c] / constant : group.factor[c] * constant;
      group.offset[c] = isDiv ? group.offset[c] / constant : group.offset[c] * constant;
    }
  }
  return true;
}

bool applyBatchNorm(Group &group, msq::BatchNormOp op) {
  auto gamma = constantReals(op.getGamma()), beta = constantReals(op.getBeta());
  auto mean = constantReals(op.getMean()), variance = constantReals(op.getVariance());
  if (!gamma || !beta || !mean || !variance)
    return false;
  double epsilon = op.getEpsilon().convertToDouble();
  for (size_t c = 0; c < gamma->size(); ++c) {
    double g = double((*gamma)[c]) / std::sqrt(double((*variance)[c]) + epsilon); // numerics N7
    group.factor[c] *= g;
    group.offset[c] = (group.offset[c] - double((*mean)[c])) * g + double((*beta)[c]);
  }
  return true;
}

/// Importers bring a matrix product to a convolution of one position and back (numerics, "Grouping").
bool followOwnReshape(Group &group, Operation *user) {
  if (!isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(user) || user->getLoc() != group.conv.getLoc())
    return false;
  auto type = cast<RankedTensorType>(user->getResult(0).getType());
  if (type.getRank() == 0 || type.getShape().back() != int64_t(group.factor.size()))
    return false;
  group.end = user->getResult(0);
  group.axis = type.getRank() - 1;
  return true;
}

/// Follows single uses through per-channel affine ops.
void followAffine(Group &group) {
  while (group.end.hasOneUse()) {
    Operation *user = *group.end.user_begin();
    if (followOwnReshape(group, user))
      continue;
    if (auto norm = dyn_cast<msq::BatchNormOp>(user)) {
      if (norm.getInput() != group.end || group.axis != 1 || !applyBatchNorm(group, norm))
        return;
      group.end = norm.getOutput();
      continue;
    }
    auto generic = dyn_cast<linalg::GenericOp>(user);
    std::optional<ConstantStep> step = generic ? matchConstantStep(generic, group) : std::nullopt;
    if (!step || !applyStep(group, *step))
      return;
    group.end = generic.getResult(0);
  }
}

/// The sum of `end` and of dequantized codes, both whole tensors; null if there is none.
Value matchResidual(const Group &group, std::optional<ActivationCodes> &residual) {
  if (!group.end.hasOneUse())
    return {};
  auto generic = dyn_cast<linalg::GenericOp>(*group.end.user_begin());
  if (!generic || !isElementwise(generic) || generic.getNumDpsInputs() != 2 || generic.getNumResults() != 1 ||
      generic.getBody()->getOperations().size() != 2 || !isa<arith::AddFOp>(generic.getBody()->front()))
    return {};
  for (OpOperand *operand : generic.getDpsInputOperands())
    if (!isWholeOperand(generic, *operand))
      return {};
  residual = matchActivation(generic->getOperand(generic->getOperand(0) == group.end ? 1 : 0));
  return residual ? generic.getResult(0) : Value();
}

/// The tail with a residual or without one; the group ends in reals where neither ends in quantizers (numerics G4).
void followTail(Group &group) {
  std::optional<ActivationCodes> residual;
  Value sum = matchResidual(group, residual);
  group.tail = matchTail(sum ? sum : group.end);
  if (!group.tail)
    return;
  group.residual = residual;
  group.end = group.tail->end;
}

/// Whether the node of the convolution is an integer op as a whole: a bias that is no constant per channel, or a
/// transposed first operand, leaves it real (numerics G4).
bool isWholeNode(Group &group) {
  Location loc = group.conv.getLoc();
  if (group.end.hasOneUse() && isa<linalg::GenericOp>(*group.end.user_begin()) &&
      (*group.end.user_begin())->getLoc() == loc)
    return false;
  Operation *source = group.input.codes.getDefiningOp();
  while (source && source->getLoc() == loc && isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(source))
    source = source->getOperand(0).getDefiningOp();
  return !source || source->getLoc() != loc || !isa<linalg::TransposeOp>(source);
}

/// The bound on |acc| of numerics N4, from the weights' integers and the range of the codes with 0 in it.
LogicalResult checkAccumulator(const Group &group) {
  std::vector<int32_t> weights = group.weights.integers();
  size_t perChannel = weights.size() / std::max<size_t>(1, group.factor.size());
  int64_t bound = 0;
  for (size_t start = 0; start < weights.size(); start += perChannel) {
    auto [least, greatest] = accumulatorRange(ArrayRef(weights).slice(start, perChannel),
                                              group.input.integer(group.input.low), group.input.integer(group.input.high));
    bound = std::max({bound, greatest, -least});
  }
  if (bound < int64_t(1) << 31)
    return success();
  msq::ConvOp conv = group.conv;
  return conv.emitOpError("unsupported: the accumulator may reach ")
         << bound << ", beyond int32; use fewer bits or split the reduction";
}

/// The first form of numerics N5: one quantizer of an affine function of the accumulator.
bool isThreshold(const Group &group) { return group.tail && !group.residual && group.tail->quantizers.size() == 1; }

/// Codes of `odd` are summed as they are: sum(w * (2q - z)) = 2 * sum(w * q) - z * sum(w) (numerics N4).
bool isDoubled(const Group &group) { return group.input.factor != 1; }

/// z * sum(w) of every channel; the low 32 bits, as the difference with it fits (`checkAccumulator`).
std::vector<int32_t> zeroSums(const Group &group) {
  std::vector<int32_t> weights = group.weights.integers(), result;
  size_t perChannel = weights.size() / std::max<size_t>(1, group.factor.size());
  for (size_t start = 0; start < weights.size(); start += perChannel) {
    ArrayRef<int32_t> channel = ArrayRef(weights).slice(start, perChannel);
    result.push_back(int32_t(group.input.zero * std::accumulate(channel.begin(), channel.end(), int64_t(0))));
  }
  return result;
}

/// m and h, rounded to float32 once; in real units, or in those of the one quantizer.
FailureOr<SmallVector<Value>> emitParameters(OpBuilder &b, Group &group) {
  double scale = isThreshold(group) ? double(group.tail->quantizers[0].scale) : 1.0;
  std::vector<float> m, h;
  for (size_t c = 0; c < group.factor.size(); ++c) {
    m.push_back(float(group.factor[c] / scale));
    h.push_back(float(group.offset[c] / scale));
    if (!std::isfinite(m.back()) || !std::isfinite(h.back()))
      return group.conv.emitOpError("unsupported: the multiplier or offset of channel ")
             << c << " is not a finite float; check the scales, the bias and the batch norm behind it";
  }
  Location loc = group.conv.getLoc();
  SmallVector<Value> result{createConstant(b, loc, m), createConstant(b, loc, h)};
  ArrayRef<int64_t> shape = cast<RankedTensorType>(group.conv.getOutput().getType()).getShape();
  if (group.residual)
    result.push_back(emitReshape(b, loc, group.residual->codes, shape));
  if (isDoubled(group))
    result.push_back(createConstant(b, loc, zeroSums(group)));
  return result;
}

/// The epilogue of numerics N5.
void emitEpilogue(OpBuilder &b, Location loc, const Group &group, Block &body) {
  Type f32 = b.getF32Type();
  Value sum = body.getArgument(0);
  if (isDoubled(group))
    sum = emitInteger(b, loc, sum, group.input.factor, body.getArguments().back());
  Value real = arith::SIToFPOp::create(b, loc, f32, sum);
  real = arith::MulFOp::create(b, loc, real, body.getArgument(1));
  real = arith::AddFOp::create(b, loc, real, body.getArgument(2));
  if (group.residual) {
    Value code = arith::ExtUIOp::create(b, loc, b.getI32Type(), body.getArgument(3));
    Value zero = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(group.residual->zero));
    Value integer = emitInteger(b, loc, code, group.residual->factor, zero);
    Value other = arith::SIToFPOp::create(b, loc, f32, integer);
    Value scale = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(group.residual->scale));
    real = arith::AddFOp::create(b, loc, real, arith::MulFOp::create(b, loc, other, scale));
  }
  SmallVector<Value> results{real};
  if (group.tail)
    results = emitTail(b, loc, real, *group.tail, isThreshold(group));
  lowbit::YieldOp::create(b, loc, results);
}

/// Puts the results of the integer op in the place of the group's.
void replaceResults(IRRewriter &rewriter, Group &group, lowbit::ConvOp op) {
  SmallVector<Value> results;
  for (Value result : op.getResults())
    results.push_back(emitReshape(rewriter, op.getLoc(), result, group.shape()));
  if (!group.tail)
    return rewriter.replaceAllUsesWith(group.end, results[0]);
  for (auto &[quantizer, index] : group.tail->replaced)
    rewriter.replaceOp(quantizer, results[index]);
}

/// Replaces the group by one op behind its last member.
LogicalResult replaceGroup(IRRewriter &rewriter, Group &group) {
  rewriter.setInsertionPointAfter(group.end.getDefiningOp());
  Location loc = group.conv.getLoc();
  FailureOr<SmallVector<Value>> parameters = emitParameters(rewriter, group);
  if (failed(parameters))
    return failure();
  auto realType = cast<RankedTensorType>(group.conv.getOutput().getType());
  auto codeType = RankedTensorType::get(realType.getShape(), rewriter.getI8Type());
  SmallVector<Type> types{realType};
  if (group.tail)
    types.assign(group.tail->quantizers.size(), codeType);
  ArrayRef<int64_t> kernel = cast<RankedTensorType>(group.weights.codes.getType()).getShape().drop_front(2);
  auto op = lowbit::ConvOp::create(
      rewriter, loc, types, group.input.codes, group.weights.codes, Value(), *parameters, group.conv.getStrides(),
      group.conv.getPads(), group.conv.getDilations(), group.conv.getGroups(), kernel,
      isDoubled(group) ? 0 : group.input.zero, group.weights.format, group.weights.zero, group.input.high);
  Block &body = op.getEpilogue().emplaceBlock();
  body.addArgument(rewriter.getI32Type(), loc);
  for (Value parameter : *parameters)
    body.addArgument(cast<RankedTensorType>(parameter.getType()).getElementType(), loc);
  {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPointToStart(&body);
    emitEpilogue(rewriter, loc, group, body);
  }
  replaceResults(rewriter, group, op);
  return success();
}

} // namespace

LogicalResult integerizeConvolution(IRRewriter &rewriter, msq::ConvOp op) {
  std::optional<ActivationCodes> input = matchActivation(op.getInput());
  std::optional<WeightCodes> weights = matchWeights(op.getWeights());
  bool isPadded = llvm::any_of(op.getPads(), [](int64_t pad) { return pad != 0; });
  if (!input || !weights || (isPadded && !input->hasZero()))
    return success();
  Group group;
  group.conv = op;
  group.input = *input;
  group.weights = std::move(*weights);
  size_t channels = cast<RankedTensorType>(op.getOutput().getType()).getDimSize(1);
  for (size_t c = 0; c < channels; ++c)
    group.factor.push_back(double(group.weights.scales[group.weights.scales.size() == 1 ? 0 : c]) *
                           double(input->scale));
  group.offset.assign(channels, 0.0);
  group.end = op.getOutput();
  followAffine(group);
  if (!isWholeNode(group))
    return success();
  if (failed(checkAccumulator(group)))
    return failure();
  followTail(group);
  return replaceGroup(rewriter, group);
}

} // namespace anybit
