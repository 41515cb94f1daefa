//===- IntegerTables.cpp - activations between two quantizers -------------===//

#include "CodeMatchers.h"
#include "Constants.h"
#include "IntegerGroups.h"
#include "anybit/Transforms/Passes.h"

#include <cmath>

using namespace mlir;

namespace anybit {
namespace {

std::optional<double> evaluateUnary(Operation &op, double x) {
  if (isa<arith::NegFOp>(op))
    return -x;
  if (isa<math::ExpOp>(op))
    return std::exp(x);
  if (isa<math::LogOp>(op))
    return std::log(x);
  if (isa<math::TanhOp>(op))
    return std::tanh(x);
  if (isa<math::ErfOp>(op))
    return std::erf(x);
  if (isa<math::SqrtOp>(op))
    return std::sqrt(x);
  if (isa<math::AbsFOp>(op))
    return std::fabs(x);
  if (isa<math::FloorOp>(op))
    return std::floor(x);
  if (isa<math::CeilOp>(op))
    return std::ceil(x);
  if (isa<math::RoundEvenOp>(op))
    return std::nearbyint(x);
  return std::nullopt;
}

std::optional<double> evaluateBinary(Operation &op, double a, double b) {
  if (isa<arith::AddFOp>(op))
    return a + b;
  if (isa<arith::SubFOp>(op))
    return a - b;
  if (isa<arith::MulFOp>(op))
    return a * b;
  if (isa<arith::DivFOp>(op))
    return a / b;
  if (isa<arith::MaximumFOp, arith::MaxNumFOp>(op))
    return std::max(a, b);
  if (isa<arith::MinimumFOp, arith::MinNumFOp>(op))
    return std::min(a, b);
  if (isa<math::PowFOp>(op))
    return std::pow(a, b);
  if (auto compare = dyn_cast<arith::CmpFOp>(op))
    return double(mlir::arith::applyCmpPredicate(compare.getPredicate(), APFloat(a), APFloat(b)));
  return std::nullopt;
}

/// The body of an elementwise generic at one real, in double; nothing where it does not evaluate to a finite value.
std::optional<double> evaluateBody(Block &body, double x) {
  llvm::DenseMap<Value, double> values;
  for (Value argument : body.getArguments())
    values[argument] = x;
  auto lookup = [&](Value value) -> std::optional<double> {
    if (auto constant = value.getDefiningOp<arith::ConstantOp>())
      if (auto number = dyn_cast<FloatAttr>(constant.getValue()))
        return number.getValueAsDouble();
    auto found = values.find(value);
    return found == values.end() ? std::nullopt : std::optional<double>(found->second);
  };
  for (Operation &op : body.without_terminator()) {
    if (isa<arith::ConstantOp>(op))
      continue;
    SmallVector<double> operands;
    for (Value operand : op.getOperands()) {
      std::optional<double> value = lookup(operand);
      if (!value)
        return std::nullopt;
      operands.push_back(*value);
    }
    std::optional<double> result;
    if (isa<arith::SelectOp>(op))
      result = operands[0] != 0 ? operands[1] : operands[2];
    else
      result = operands.size() == 1 ? evaluateUnary(op, operands[0])
               : operands.size() == 2 ? evaluateBinary(op, operands[0], operands[1])
                                      : std::nullopt;
    if (!result)
      return std::nullopt;
    values[op.getResult(0)] = *result;
  }
  std::optional<double> result = lookup(body.getTerminator()->getOperand(0));
  return result && std::isfinite(*result) ? result : std::nullopt;
}

/// The 256 codes behind f, or nothing where f is not a function of one code.
std::optional<std::vector<char>> makeTable(linalg::GenericOp op, const ActivationCodes &input,
                                           const Quantizer &output) {
  std::vector<char> table;
  for (int code = 0; code < 256; ++code) {
    std::optional<double> real = evaluateBody(*op.getBody(), double(input.scale) * (code - input.zero));
    if (!real)
      return std::nullopt;
    double next = std::nearbyint(*real / double(output.scale)) + output.zero;
    table.push_back(char(int(std::clamp(next, double(output.low()), double(output.high())))));
  }
  return table;
}

/// quantize(f(dequantize(q))) => table[q]
struct ActivationToTable : OpRewritePattern<msq::QuantizeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(msq::QuantizeOp op, PatternRewriter &rewriter) const override {
    std::optional<Quantizer> quantizer = matchQuantizer(op);
    auto generic = op.getInput().getDefiningOp<linalg::GenericOp>();
    if (!quantizer || !generic || !isElementwise(generic) || generic.getNumResults() != 1 ||
        generic.getNumDpsInputs() == 0)
      return rewriter.notifyMatchFailure(op, "not behind an elementwise function");
    Value real = generic->getOperand(0);
    for (OpOperand *operand : generic.getDpsInputOperands())
      if (operand->get() != real || !isWholeOperand(generic, *operand))
        return rewriter.notifyMatchFailure(op, "the function has several inputs");
    std::optional<ActivationCodes> input = matchActivation(real);
    std::optional<std::vector<char>> table = input ? makeTable(generic, *input, *quantizer) : std::nullopt;
    if (!table)
      return rewriter.notifyMatchFailure(op, "not a function of one code");
    rewriter.replaceOp(op, lookUp(rewriter, op.getLoc(), input->codes, std::move(*table)));
    return success();
  }

  static Value lookUp(PatternRewriter &rewriter, Location loc, Value codes, std::vector<char> bytes) {
    Value table = createConstant(rewriter, loc, RankedTensorType::get({256}, rewriter.getI8Type()), std::move(bytes));
    auto type = cast<RankedTensorType>(codes.getType());
    Value empty = tensor::EmptyOp::create(rewriter, loc, type.getShape(), type.getElementType());
    SmallVector<AffineMap> maps(2, rewriter.getMultiDimIdentityMap(type.getRank()));
    SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
    auto body = [&](OpBuilder &b, Location loc, ValueRange arguments) {
      Value index = arith::IndexCastUIOp::create(b, loc, b.getIndexType(), arguments[0]);
      Value code = tensor::ExtractOp::create(b, loc, table, index);
      linalg::YieldOp::create(b, loc, code);
    };
    return linalg::GenericOp::create(rewriter, loc, type, codes, empty, maps, iterators, body).getResult(0);
  }
};

/// Average of the whole of every channel, codes in, reals or codes out: the exact sum times one factor.
struct GlobalAverage : OpRewritePattern<msq::PoolOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(msq::PoolOp op, PatternRewriter &rewriter) const override {
    std::optional<ActivationCodes> input = matchActivation(op.getInput());
    auto in = cast<RankedTensorType>(op.getInput().getType());
    bool global = in.getShape().drop_front(2) == op.getKernel() &&
                  llvm::all_of(op.getPads(), [](int64_t pad) { return pad == 0; });
    if (!input || op.getKind() != msq::PoolKind::Average || !global)
      return rewriter.notifyMatchFailure(op, "no global average of codes");
    int64_t count = 1;
    for (int64_t size : op.getKernel())
      count *= size;
    if (count > (int64_t(1) << 22))
      return rewriter.notifyMatchFailure(op, "the sum may leave int32");
    std::optional<Quantizer> quantizer;
    if (op->hasOneUse())
      quantizer = matchQuantizer(*op->user_begin());
    rewriter.setInsertionPointAfter(op);
    Value sums = sum(rewriter, op.getLoc(), input->codes, in);
    double divisor = double(count) * (quantizer ? double(quantizer->scale) : 1.0);
    Value result = scaleSums(rewriter, op.getLoc(), sums, count * input->zero, float(double(input->scale) / divisor), quantizer);
    replaceReshaped(rewriter, quantizer ? quantizer->op.getOperation() : op.getOperation(), result);
    return success();
  }

private:
  static Value sum(PatternRewriter &rewriter, Location loc, Value codes, RankedTensorType in) {
    int64_t rank = in.getRank();
    auto type = RankedTensorType::get(in.getShape().take_front(2), rewriter.getI32Type());
    Value zero = arith::ConstantOp::create(rewriter, loc, rewriter.getI32IntegerAttr(0));
    Value empty = tensor::EmptyOp::create(rewriter, loc, type.getShape(), type.getElementType());
    Value start = linalg::FillOp::create(rewriter, loc, zero, empty).getResult(0);
    SmallVector<AffineMap> maps{rewriter.getMultiDimIdentityMap(rank),
                                rewriter.getMultiDimIdentityMap(rank).getMajorSubMap(2)};
    SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::reduction);
    iterators[0] = iterators[1] = utils::IteratorType::parallel;
    auto body = [](OpBuilder &b, Location loc, ValueRange arguments) {
      Value code = arith::ExtUIOp::create(b, loc, b.getI32Type(), arguments[0]);
      Value next = arith::AddIOp::create(b, loc, arguments[1], code);
      linalg::YieldOp::create(b, loc, next);
    };
    return linalg::GenericOp::create(rewriter, loc, type, codes, start, maps, iterators, body).getResult(0);
  }

  static Value scaleSums(PatternRewriter &rewriter, Location loc, Value sums, int64_t zeroSum, float factor,
                     std::optional<Quantizer> quantizer) {
    auto type = cast<RankedTensorType>(sums.getType());
    Type element = quantizer ? Type(rewriter.getI8Type()) : rewriter.getF32Type();
    Value empty = tensor::EmptyOp::create(rewriter, loc, type.getShape(), element);
    SmallVector<AffineMap> maps(2, rewriter.getMultiDimIdentityMap(2));
    SmallVector<utils::IteratorType> iterators(2, utils::IteratorType::parallel);
    auto body = [&](OpBuilder &b, Location loc, ValueRange arguments) {
      Value zero = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(zeroSum));
      Value exact = arith::SubIOp::create(b, loc, arguments[0], zero);
      Value real = arith::SIToFPOp::create(b, loc, b.getF32Type(), exact);
      Value scale = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(factor));
      Value scaled = arith::MulFOp::create(b, loc, real, scale);
      if (quantizer)
        scaled = lowbit::RoundOp::create(b, loc, b.getI8Type(), scaled, b.getI32IntegerAttr(quantizer->low()),
                                         b.getI32IntegerAttr(quantizer->high()), b.getI32IntegerAttr(quantizer->zero));
      linalg::YieldOp::create(b, loc, scaled);
    };
    auto result = RankedTensorType::get(type.getShape(), element);
    return linalg::GenericOp::create(rewriter, loc, result, sums, empty, maps, iterators, body).getResult(0);
  }

  /// N, C becomes N, C, 1, …
  static void replaceReshaped(PatternRewriter &rewriter, Operation *op, Value result) {
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    SmallVector<ReassociationIndices> groups{{0}, {}};
    for (int64_t d = 1; d < type.getRank(); ++d)
      groups[1].push_back(d);
    rewriter.replaceOpWithNewOp<tensor::ExpandShapeOp>(op, type, result, groups);
  }
};

} // namespace

void populateTablePatterns(RewritePatternSet &patterns) { patterns.add<ActivationToTable>(patterns.getContext()); }
void populatePoolPatterns(RewritePatternSet &patterns) { patterns.add<GlobalAverage>(patterns.getContext()); }

} // namespace anybit
