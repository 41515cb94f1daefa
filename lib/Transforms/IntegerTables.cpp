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
  if (isa<math::SinOp>(op))
    return std::sin(x);
  if (isa<math::CosOp>(op))
    return std::cos(x);
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
    return std::isnan(a) || std::isnan(b) ? NAN : std::max(a, b);
  if (isa<arith::MinimumFOp, arith::MinNumFOp>(op))
    return std::isnan(a) || std::isnan(b) ? NAN : std::min(a, b);
  if (isa<math::PowFOp>(op))
    return std::pow(a, b);
  if (auto compare = dyn_cast<arith::CmpFOp>(op))
    return double(mlir::arith::applyCmpPredicate(compare.getPredicate(), APFloat(a), APFloat(b)));
  return std::nullopt;
}

/// The body of an elementwise generic at one real per operand, in double; nothing where an op is unknown.
std::optional<double> evaluateBody(Block &body, ArrayRef<double> operandValues) {
  llvm::DenseMap<Value, double> values;
  for (auto [argument, value] : llvm::zip(body.getArguments(), operandValues))
    values[argument] = value;
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
  return lookup(body.getTerminator()->getOperand(0));
}

/// A value that is an elementwise function of one code tensor (numerics G3).
class CodeFunction {
public:
  /// Finds the code tensor behind `value`.
  bool match(Value value);
  const ActivationCodes &source() const { return codes; }
  /// The function in double at x; nothing where an op is unknown.
  std::optional<double> evaluate(double x);

private:
  bool visit(Value value);

  Value root;
  ActivationCodes codes;
  SmallVector<linalg::GenericOp> order; ///< Producers before consumers.
  llvm::DenseMap<Value, double> values;
};

bool CodeFunction::visit(Value value) {
  if (value == root || constantReal(value))
    return true;
  if (std::optional<ActivationCodes> found = root ? std::nullopt : matchActivation(value)) {
    root = value;
    codes = *found;
    return true;
  }
  auto generic = value.getDefiningOp<linalg::GenericOp>();
  if (!generic || !isElementwise(generic) || generic.getNumResults() != 1 ||
      !cast<RankedTensorType>(value.getType()).getElementType().isF32())
    return false;
  if (llvm::is_contained(order, generic))
    return true;
  for (OpOperand *operand : generic.getDpsInputOperands()) {
    bool isNumber = cast<RankedTensorType>(operand->get().getType()).getNumElements() == 1 && constantReal(operand->get());
    if (!isNumber && (!isWholeOperand(generic, *operand) || constantReal(operand->get()) || !visit(operand->get())))
      return false;
  }
  order.push_back(generic);
  return true;
}

bool CodeFunction::match(Value value) { return visit(value) && root; }

std::optional<double> CodeFunction::evaluate(double x) {
  values[root] = x;
  for (linalg::GenericOp op : order) {
    SmallVector<double> operands;
    for (OpOperand *operand : op.getDpsInputOperands()) {
      std::optional<float> constant = constantReal(operand->get());
      operands.push_back(constant ? double(*constant) : values.lookup(operand->get()));
    }
    std::optional<double> result = evaluateBody(*op.getBody(), operands);
    if (!result)
      return std::nullopt;
    values[op.getResult(0)] = *result;
  }
  return order.empty() ? x : values.lookup(order.back().getResult(0));
}

/// The codes behind f for all 256 bytes, or nothing where f has an op that is not evaluated.
std::optional<std::vector<char>> makeTable(CodeFunction &function, const Quantizer &output) {
  std::vector<char> table;
  const ActivationCodes &input = function.source();
  for (int code = 0; code < 256; ++code) {
    std::optional<double> real = function.evaluate(double(input.scale) * double(input.integer(code)));
    if (!real)
      return std::nullopt;
    table.push_back(char(output.codeOf(*real / double(output.scale))));
  }
  return table;
}

bool isIdentity(ArrayRef<char> table, const ActivationCodes &input) {
  for (int64_t code = input.low; code <= input.high; ++code)
    if (uint8_t(table[code]) != code)
      return false;
  return true;
}

/// quantize(f(dequantize(q))) => table[q]
struct ActivationToTable : OpRewritePattern<msq::QuantizeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(msq::QuantizeOp op, PatternRewriter &rewriter) const override {
    std::optional<Quantizer> quantizer = matchQuantizer(op);
    CodeFunction function;
    if (!quantizer || !function.match(op.getInput()))
      return rewriter.notifyMatchFailure(op, "not behind a function of one code");
    std::optional<std::vector<char>> table = makeTable(function, *quantizer);
    if (!table)
      return rewriter.notifyMatchFailure(op, "the function is not known in double");
    Value codes = function.source().codes;
    if (isIdentity(*table, function.source()))
      rewriter.replaceOp(op, codes);
    else
      rewriter.replaceOp(op, lookUp(rewriter, op.getLoc(), codes, std::move(*table)));
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

} // namespace

void populateTablePatterns(RewritePatternSet &patterns) { patterns.add<ActivationToTable>(patterns.getContext()); }

} // namespace anybit
