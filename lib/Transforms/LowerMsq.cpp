#include "CodeMatchers.h"
#include "Constants.h"
#include "LowerResize.h"
#include "anybit/Transforms/Passes.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#include <cmath>

using namespace mlir;

namespace anybit {
#define GEN_PASS_DEF_LOWERMSQ
#include "anybit/Transforms/Passes.h.inc"

namespace {

using BodyBuilder = function_ref<Value(OpBuilder &, Location, ValueRange)>;

/// An elementwise generic of `input` and parameters that are scalars or vectors along `axis`.
Value elementwise(PatternRewriter &rewriter, Location loc, Value input, ValueRange parameters, int64_t axis,
                  Type element, BodyBuilder body) {
  auto type = cast<RankedTensorType>(input.getType());
  AffineMap identity = rewriter.getMultiDimIdentityMap(type.getRank());
  SmallVector<AffineMap> maps{identity};
  SmallVector<Value> inputs{input};
  for (Value parameter : parameters) {
    bool scalar = cast<RankedTensorType>(parameter.getType()).getRank() == 0;
    maps.push_back(scalar ? AffineMap::get(type.getRank(), 0, rewriter.getContext())
                          : AffineMap::get(type.getRank(), 0, rewriter.getAffineDimExpr(axis)));
    inputs.push_back(parameter);
  }
  maps.push_back(identity);
  Value empty = tensor::EmptyOp::create(rewriter, loc, type.getShape(), element);
  SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
  auto wrapped = [&](OpBuilder &b, Location loc, ValueRange arguments) {
    linalg::YieldOp::create(b, loc, body(b, loc, arguments));
  };
  return linalg::GenericOp::create(rewriter, loc, RankedTensorType::get(type.getShape(), element), inputs, empty, maps,
                                   iterators, wrapped)
      .getResult(0);
}

Value realConstant(OpBuilder &b, Location loc, double value) {
  return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value));
}

/// The zero point of a quantizer: one constant, or a value that a body reads.
struct ZeroPoint {
  int32_t constant = 0;
  Value value; ///< Null where `constant` is it.
};

template <typename Op> ZeroPoint zeroPointOf(Op op) {
  if (op.getFormat().getKind() != msq::FormatKind::Unsigned)
    return {};
  if (std::optional<int32_t> zero = constantInteger(op.getZero()))
    return {*zero, {}};
  return {0, op.getZero()};
}

/// What bodies read beside the input: the scale, and the zero point where it is no constant.
template <typename Op> SmallVector<Value> parametersOf(Op op, const ZeroPoint &zero) {
  SmallVector<Value> parameters{op.getScale()};
  if (zero.value)
    parameters.push_back(zero.value);
  return parameters;
}

/// The code of `scaled` with a zero point that is no constant, numerics N2: the sum of whole floats is exact.
Value emitCodeWithZero(OpBuilder &b, Location loc, Value scaled, Value zero, msq::FormatAttr format) {
  Value code = math::RoundEvenOp::create(b, loc, scaled);
  code = arith::AddFOp::create(b, loc, code, arith::SIToFPOp::create(b, loc, b.getF32Type(), zero));
  code = arith::MaximumFOp::create(b, loc, code, realConstant(b, loc, double(format.lowestCode())));
  code = arith::MinimumFOp::create(b, loc, code, realConstant(b, loc, double(format.highestCode())));
  return arith::TruncIOp::create(b, loc, b.getI8Type(), arith::FPToSIOp::create(b, loc, b.getI32Type(), code));
}

struct LowerQuantize : OpRewritePattern<msq::QuantizeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(msq::QuantizeOp op, PatternRewriter &rewriter) const override {
    if (op.getBits())
      return rewriter.notifyMatchFailure(op, "the width is not constant");
    ZeroPoint zero = zeroPointOf(op);
    Quantizer quantizer{op, 1, zero.constant, op.getFormat()};
    auto body = [&](OpBuilder &b, Location loc, ValueRange arguments) -> Value {
      Value scaled = arith::DivFOp::create(b, loc, arguments[0], arguments[1]); // N2: a true division
      // N2: NaN has the code of 0.
      Value isNumber = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::ORD, scaled, scaled);
      scaled = arith::SelectOp::create(b, loc, isNumber, scaled, realConstant(b, loc, 0));
      return zero.value ? emitCodeWithZero(b, loc, scaled, arguments[2], op.getFormat())
                        : emitCode(b, loc, scaled, quantizer);
    };
    rewriter.replaceOp(op, elementwise(rewriter, op.getLoc(), op.getInput(), parametersOf(op, zero), op.getAxis(),
                                       rewriter.getI8Type(), body));
    return success();
  }
};

/// The integer of a code (numerics N2); `read` is the zero point where it is no constant.
Value emitDecoded(OpBuilder &b, Location loc, Value code, const ZeroPoint &zero, Value read, msq::FormatAttr format) {
  Type i32 = b.getI32Type();
  if (format.getKind() == msq::FormatKind::Signed)
    return arith::ExtSIOp::create(b, loc, i32, code);
  code = arith::ExtUIOp::create(b, loc, i32, code);
  bool isOdd = format.getKind() == msq::FormatKind::Odd;
  int32_t shift = isOdd ? (1 << format.getBits()) - 1 : zero.constant;
  Value offset = zero.value ? read : arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(shift));
  return emitInteger(b, loc, code, isOdd ? 2 : 1, offset);
}

struct LowerDequantize : OpRewritePattern<msq::DequantizeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(msq::DequantizeOp op, PatternRewriter &rewriter) const override {
    if (op.getBits())
      return rewriter.notifyMatchFailure(op, "the width is not constant");
    ZeroPoint zero = zeroPointOf(op);
    auto body = [&](OpBuilder &b, Location loc, ValueRange arguments) -> Value {
      Value read = zero.value ? arguments[2] : Value();
      Value integer = emitDecoded(b, loc, arguments[0], zero, read, op.getFormat());
      Value exact = arith::SIToFPOp::create(b, loc, b.getF32Type(), integer);
      return arith::MulFOp::create(b, loc, exact, arguments[1]);
    };
    rewriter.replaceOp(op, elementwise(rewriter, op.getLoc(), op.getCodes(), parametersOf(op, zero), op.getAxis(),
                                       rewriter.getF32Type(), body));
    return success();
  }
};

/// y = x * g + (beta - mean * g), factors in double (numerics N7).
struct LowerBatchNorm : OpRewritePattern<msq::BatchNormOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(msq::BatchNormOp op, PatternRewriter &rewriter) const override {
    auto gamma = constantReals(op.getGamma()), beta = constantReals(op.getBeta());
    auto mean = constantReals(op.getMean()), variance = constantReals(op.getVariance());
    if (!gamma || !beta || !mean || !variance)
      return rewriter.notifyMatchFailure(op, "statistics are not constant");
    std::vector<float> factor, offset;
    for (size_t c = 0; c < gamma->size(); ++c) {
      double g = double((*gamma)[c]) / std::sqrt(double((*variance)[c]) + op.getEpsilon().convertToDouble());
      factor.push_back(float(g));
      offset.push_back(float(double((*beta)[c]) - double((*mean)[c]) * g));
    }
    SmallVector<Value> parameters{createConstant(rewriter, op.getLoc(), factor),
                                  createConstant(rewriter, op.getLoc(), offset)};
    auto body = [](OpBuilder &b, Location loc, ValueRange arguments) -> Value {
      Value scaled = arith::MulFOp::create(b, loc, arguments[0], arguments[1]);
      return arith::AddFOp::create(b, loc, scaled, arguments[2]);
    };
    rewriter.replaceOp(op, elementwise(rewriter, op.getLoc(), op.getInput(), parameters, 1, rewriter.getF32Type(), body));
    return success();
  }
};

/// The reals of constant codes (numerics N2).
Value dequantizedConstant(PatternRewriter &rewriter, Value weights) {
  std::optional<WeightCodes> codes = matchWeights(weights);
  if (!codes)
    return weights;
  std::vector<int32_t> integers = codes->integers();
  std::vector<float> values;
  size_t perOutput = integers.size() / codes->scales.size();
  for (size_t i = 0; i < integers.size(); ++i)
    values.push_back(float(integers[i]) * codes->scales[i / perOutput]);
  const char *data = reinterpret_cast<const char *>(values.data());
  return createConstant(rewriter, weights.getLoc(), cast<RankedTensorType>(weights.getType()),
                        std::vector<char>(data, data + values.size() * sizeof(float)));
}

/// A real convolution: float32 accumulator, an epilogue that passes it on.
struct LowerConv : OpRewritePattern<msq::ConvOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(msq::ConvOp op, PatternRewriter &rewriter) const override {
    Value weights = dequantizedConstant(rewriter, op.getWeights());
    ArrayRef<int64_t> kernel = cast<RankedTensorType>(weights.getType()).getShape().drop_front(2);
    auto conv = lowbit::ConvOp::create(rewriter, op.getLoc(), op.getOutput().getType(), op.getInput(), weights, Value(),
                                       ValueRange(), op.getStrides(), op.getPads(), op.getDilations(), op.getGroups(),
                                       kernel, 0, msq::FormatAttr(), 0);
    Block &body = conv.getEpilogue().emplaceBlock();
    Value accumulator = body.addArgument(rewriter.getF32Type(), op.getLoc());
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPointToStart(&body);
    lowbit::YieldOp::create(rewriter, op.getLoc(), accumulator);
    rewriter.replaceOp(op, conv.getResults());
    return success();
  }
};

struct LowerMsq : impl::LowerMsqBase<LowerMsq> {
  void runOnOperation() override {
    // Weights before their dequantizers: a constant weight must not become a computation.
    for (bool convolutions : {true, false}) {
      RewritePatternSet patterns(&getContext());
      if (convolutions)
        patterns.add<LowerConv>(&getContext());
      else
        patterns.add<LowerQuantize, LowerDequantize, LowerBatchNorm>(&getContext());
      if (!convolutions)
        populateResizePatterns(patterns);
      GreedyRewriteConfig config;
      config.enableConstantCSE(false);
      if (failed(applyPatternsGreedily(getOperation(), std::move(patterns), config)))
        return signalPassFailure();
    }
  }
};

} // namespace
} // namespace anybit
