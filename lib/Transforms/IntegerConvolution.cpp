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

using namespace mlir;

namespace anybit {
namespace {

/// What follows a convolution: real = acc * factor + offset per channel, then the rest of the group.
struct Group {
  msq::ConvOp conv;
  ActivationCodes input;
  WeightCodes weights;
  std::vector<double> factor, offset;
  std::optional<ActivationCodes> residual;
  std::optional<Clip> clip;
  SmallVector<Quantizer> quantizers;
  Value end;             ///< The real value that the quantizers read.
  bool realUsed = false; ///< Somebody else reads it too.
};

/// Per-channel constants of `operand`, if it is a scalar or a vector along dimension 1.
std::optional<std::vector<double>> channelConstants(linalg::GenericOp op, OpOperand &operand, size_t channels) {
  std::optional<std::vector<float>> values = constantReals(operand.get());
  if (!values)
    return std::nullopt;
  AffineMap map = op.getMatchingIndexingMap(&operand);
  if (values->size() == 1)
    return std::vector<double>(channels, values->front());
  if (map.getNumResults() != 1 || map.getResult(0) != getAffineDimExpr(1, op.getContext()) || values->size() != channels)
    return std::nullopt;
  return std::vector<double>(values->begin(), values->end());
}

/// real op constant, with the constant an operand or inside of the body.
struct ConstantStep {
  Operation *inner;
  std::vector<double> constants;
  bool valueFirst;
};

std::optional<ConstantStep> matchConstantStep(linalg::GenericOp op, Value value, size_t channels) {
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
    if (operand && operand->get() == value && isWholeOperand(op, *operand) && !sawValue) {
      sawValue = true;
      step.valueFirst = side.getOperandNumber() == 0;
      continue;
    }
    if (operand) {
      std::optional<std::vector<double>> constants = channelConstants(op, *operand, channels);
      if (!constants)
        return std::nullopt;
      step.constants = std::move(*constants);
      continue;
    }
    auto constant = side.get().getDefiningOp<arith::ConstantOp>();
    auto scalar = constant ? dyn_cast<FloatAttr>(constant.getValue()) : FloatAttr();
    if (!scalar)
      return std::nullopt;
    step.constants.assign(channels, scalar.getValueAsDouble());
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

/// Follows single uses through per-channel affine ops.
void followAffine(Group &group) {
  while (group.end.hasOneUse()) {
    Operation *user = *group.end.user_begin();
    if (auto norm = dyn_cast<msq::BatchNormOp>(user)) {
      if (norm.getInput() != group.end || !applyBatchNorm(group, norm))
        return;
      group.end = norm.getOutput();
      continue;
    }
    auto generic = dyn_cast<linalg::GenericOp>(user);
    std::optional<ConstantStep> step =
        generic ? matchConstantStep(generic, group.end, group.factor.size()) : std::nullopt;
    if (!step || !applyStep(group, *step))
      return;
    group.end = generic.getResult(0);
  }
}

/// end + dequantize(residual), both whole tensors.
void followResidual(Group &group) {
  if (!group.end.hasOneUse())
    return;
  auto generic = dyn_cast<linalg::GenericOp>(*group.end.user_begin());
  if (!generic || !isElementwise(generic) || generic.getNumDpsInputs() != 2 || generic.getNumResults() != 1 ||
      generic.getBody()->getOperations().size() != 2 || !isa<arith::AddFOp>(generic.getBody()->front()))
    return;
  for (OpOperand *operand : generic.getDpsInputOperands())
    if (!isWholeOperand(generic, *operand))
      return;
  Value other = generic->getOperand(generic->getOperand(0) == group.end ? 1 : 0);
  group.residual = matchActivation(other);
  if (group.residual)
    group.end = generic.getResult(0);
}

void followClip(Group &group) {
  if (!group.end.hasOneUse())
    return;
  auto generic = dyn_cast<linalg::GenericOp>(*group.end.user_begin());
  group.clip = generic ? matchClip(generic) : std::nullopt;
  if (group.clip)
    group.end = generic.getResult(0);
}

void findQuantizers(Group &group) {
  for (Operation *user : group.end.getUsers()) {
    if (std::optional<Quantizer> quantizer = matchQuantizer(user))
      group.quantizers.push_back(*quantizer);
    else
      group.realUsed = true;
  }
  // Users come in reverse order of creation; the order of the file keeps results in a stable order.
  std::sort(group.quantizers.begin(), group.quantizers.end(),
            [](Quantizer &a, Quantizer &b) { return a.op->isBeforeInBlock(b.op); });
}

/// The bound on |acc| that numerics N4 asks for.
LogicalResult checkAccumulator(Group &group) {
  auto type = cast<RankedTensorType>(group.weights.codes.getType());
  int64_t reduction = type.getNumElements() / type.getDimSize(0);
  int64_t bits = group.weights.format.getBits();
  int64_t largest = group.weights.format.getKind() == msq::FormatKind::Signed ? 1ll << (bits - 1) : (1ll << bits);
  if (reduction > (int64_t(1) << 31) / (largest * 256))
    return group.conv.emitOpError("sums ") << reduction << " products of " << bits
                                           << "-bit weights, more than an int32 accumulator holds";
  return success();
}

/// Writes the epilogue of numerics N5.
class EpilogueBuilder {
public:
  EpilogueBuilder(OpBuilder &builder, Location loc, const Group &group) : b(builder), loc(loc), group(group) {}

  /// Whether one quantizer reads an affine function of the accumulator: the threshold form.
  bool isThreshold() const { return !group.residual && !group.realUsed && group.quantizers.size() == 1; }

  SmallVector<Value> parameters();
  void build(Block &body);

private:
  Value constant(float value) { return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value)); }
  Value clipped(Value value, float scale);
  Value rounded(Value value, const Quantizer &quantizer) {
    return lowbit::RoundOp::create(b, loc, b.getI8Type(), value, b.getI32IntegerAttr(quantizer.low()),
                                   b.getI32IntegerAttr(quantizer.high()), b.getI32IntegerAttr(quantizer.zero));
  }

  OpBuilder &b;
  Location loc;
  const Group &group;
};

/// m and h, rounded to float32 once; in real units, or in those of the one quantizer.
SmallVector<Value> EpilogueBuilder::parameters() {
  double scale = isThreshold() ? double(group.quantizers[0].scale) : 1.0;
  std::vector<float> m, h;
  for (size_t c = 0; c < group.factor.size(); ++c) {
    m.push_back(float(group.factor[c] / scale));
    h.push_back(float(group.offset[c] / scale));
  }
  SmallVector<Value> result{createConstant(b, loc, m), createConstant(b, loc, h)};
  if (group.residual)
    result.push_back(group.residual->codes);
  return result;
}

/// max/min with the bounds of the clip over `scale`, by comparison: no value is NaN here.
Value EpilogueBuilder::clipped(Value value, float scale) {
  auto limit = [&](double bound, arith::CmpFPredicate keep) {
    if (std::isinf(bound))
      return;
    Value edge = constant(float(bound) / scale);
    value = arith::SelectOp::create(b, loc, arith::CmpFOp::create(b, loc, keep, value, edge), value, edge);
  };
  if (!group.clip)
    return value;
  limit(group.clip->low, arith::CmpFPredicate::OGT);
  limit(group.clip->high, arith::CmpFPredicate::OLT);
  return value;
}

void EpilogueBuilder::build(Block &body) {
  Type f32 = b.getF32Type();
  Value real = arith::SIToFPOp::create(b, loc, f32, body.getArgument(0));
  real = arith::MulFOp::create(b, loc, real, body.getArgument(1));
  real = arith::AddFOp::create(b, loc, real, body.getArgument(2));
  SmallVector<Value> results;
  if (isThreshold()) {
    results.push_back(rounded(clipped(real, group.quantizers[0].scale), group.quantizers[0]));
    lowbit::YieldOp::create(b, loc, results);
    return;
  }
  if (group.residual) {
    Value code = arith::ExtUIOp::create(b, loc, b.getI32Type(), body.getArgument(3));
    Value zero = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(group.residual->zero));
    Value other = arith::SIToFPOp::create(b, loc, f32, arith::SubIOp::create(b, loc, code, zero));
    other = arith::MulFOp::create(b, loc, other, constant(group.residual->scale));
    real = arith::AddFOp::create(b, loc, real, other);
  }
  real = clipped(real, 1.0f);
  for (const Quantizer &quantizer : group.quantizers)
    results.push_back(rounded(arith::MulFOp::create(b, loc, real, constant(1.0f / quantizer.scale)), quantizer));
  if (group.realUsed)
    results.push_back(real);
  lowbit::YieldOp::create(b, loc, results);
}

/// Replaces the group by one op behind its last member.
void replaceGroup(IRRewriter &rewriter, Group &group) {
  Operation *last = group.end.getDefiningOp();
  rewriter.setInsertionPointAfter(last);
  Location loc = group.conv.getLoc();
  EpilogueBuilder epilogue(rewriter, loc, group);
  SmallVector<Value> parameters = epilogue.parameters();
  auto realType = cast<RankedTensorType>(group.conv.getOutput().getType());
  auto codeType = RankedTensorType::get(realType.getShape(), rewriter.getI8Type());
  SmallVector<Type> types(group.quantizers.size(), codeType);
  if (group.realUsed)
    types.push_back(realType);
  ArrayRef<int64_t> kernel = cast<RankedTensorType>(group.weights.codes.getType()).getShape().drop_front(2);
  auto op = lowbit::ConvOp::create(
      rewriter, loc, types, group.input.codes, group.weights.codes, Value(), parameters, group.conv.getStrides(),
      group.conv.getPads(), group.conv.getDilations(), group.conv.getGroups(), kernel, group.input.zero,
      group.weights.format, group.weights.zero);
  Block &body = op.getEpilogue().emplaceBlock();
  body.addArgument(rewriter.getI32Type(), loc);
  for (Value parameter : parameters)
    body.addArgument(cast<RankedTensorType>(parameter.getType()).getElementType(), loc);
  {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPointToStart(&body);
    epilogue.build(body);
  }
  for (auto [quantizer, codes] : llvm::zip(group.quantizers, op.getResults()))
    rewriter.replaceOp(quantizer.op, codes);
  if (group.realUsed)
    rewriter.replaceAllUsesWith(group.end, op.getResults().back());
}

} // namespace

LogicalResult integerizeConvolution(IRRewriter &rewriter, msq::ConvOp op) {
  std::optional<ActivationCodes> input = matchActivation(op.getInput());
  std::optional<WeightCodes> weights = matchWeights(op.getWeights());
  if (!input || !weights)
    return failure();
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
  if (failed(checkAccumulator(group)))
    return failure();
  followAffine(group);
  followResidual(group);
  followClip(group);
  findQuantizers(group);
  if (group.quantizers.empty())
    group.realUsed = true;
  replaceGroup(rewriter, group);
  return success();
}

} // namespace anybit
