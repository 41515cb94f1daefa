#include "CodeMatchers.h"
#include "Constants.h"
#include "anybit/Transforms/Passes.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace anybit {
#define GEN_PASS_DEF_SINKDEQUANTIZE
#include "anybit/Transforms/Passes.h.inc"

namespace {

/// The dequantizer of a value if it is per tensor, so that it commutes with data movement.
msq::DequantizeOp perTensorDequantize(Value value) {
  auto op = value.getDefiningOp<msq::DequantizeOp>();
  if (!op || op.getBits() || constantBytes(op.getCodes()))
    return {};
  for (Value parameter : {op.getScale(), op.getZero()})
    if (cast<RankedTensorType>(parameter.getType()).getNumElements() != 1)
      return {};
  return op;
}

RankedTensorType codesLike(Value real) {
  auto type = cast<RankedTensorType>(real.getType());
  return RankedTensorType::get(type.getShape(), IntegerType::get(type.getContext(), 8));
}

/// A dequantizer of `codes` with the parameters of `model`.
Value dequantizeLike(PatternRewriter &rewriter, msq::DequantizeOp model, Value codes, Type type) {
  return msq::DequantizeOp::create(rewriter, model.getLoc(), type, codes, model.getScale(), model.getZero(), Value(),
                                   model.getFormat(), 0);
}

bool keepsIntegers(Operation *op) {
  if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ExtractSliceOp, linalg::TransposeOp>(op))
    return true;
  if (auto pool = dyn_cast<msq::PoolOp>(op))
    return pool.getKind() == msq::PoolKind::Max;
  if (auto resize = dyn_cast<msq::ResizeOp>(op))
    return resize.getMode() == "nearest";
  return false;
}

/// move(dequantize(q)) => dequantize(move(q))
struct SinkThroughMovement : RewritePattern {
  explicit SinkThroughMovement(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (!keepsIntegers(op))
      return failure();
    msq::DequantizeOp dequantize = perTensorDequantize(op->getOperand(0));
    if (!dequantize)
      return rewriter.notifyMatchFailure(op, "input has no codes of one scale");
    if (isa<msq::PoolOp>(op) && dequantize.getFormat().getKind() != msq::FormatKind::Unsigned)
      return rewriter.notifyMatchFailure(op, "codes are not ordered as bytes");
    IRMapping map;
    map.map(op->getOperand(0), dequantize.getCodes());
    if (auto transpose = dyn_cast<linalg::TransposeOp>(op))
      map.map(transpose.getInit(), tensor::EmptyOp::create(rewriter, op->getLoc(), codesLike(transpose.getInit()).getShape(),
                                                           rewriter.getI8Type()));
    Operation *moved = rewriter.clone(*op, map);
    moved->getResult(0).setType(codesLike(op->getResult(0)));
    rewriter.replaceOp(op, dequantizeLike(rewriter, dequantize, moved->getResult(0), op->getResult(0).getType()));
    return success();
  }
};

/// concat(dequantize(q)...) of equal formats => dequantize(concat(q...))
struct SinkThroughConcat : OpRewritePattern<tensor::ConcatOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::ConcatOp op, PatternRewriter &rewriter) const override {
    SmallVector<Value> codes;
    msq::DequantizeOp first;
    for (Value input : op.getInputs()) {
      msq::DequantizeOp dequantize = perTensorDequantize(input);
      if (!dequantize)
        return rewriter.notifyMatchFailure(op, "an input has no codes of one scale");
      if (!first)
        first = dequantize;
      if (dequantize.getFormat() != first.getFormat() || !equalConstants(dequantize.getScale(), first.getScale()) ||
          !equalConstants(dequantize.getZero(), first.getZero()))
        return rewriter.notifyMatchFailure(op, "inputs have different formats");
      codes.push_back(dequantize.getCodes());
    }
    Value joined = tensor::ConcatOp::create(rewriter, op.getLoc(), codesLike(op.getResult()), op.getDim(), codes);
    rewriter.replaceOp(op, dequantizeLike(rewriter, first, joined, op.getType()));
    return success();
  }

  static bool equalConstants(Value a, Value b) {
    std::optional<std::vector<char>> left = constantBytes(a), right = constantBytes(b);
    return left && right && *left == *right;
  }
};

/// pad(dequantize(q), 0) => dequantize(pad(q, zero)), when the format has the code of zero.
struct SinkThroughPad : OpRewritePattern<tensor::PadOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::PadOp op, PatternRewriter &rewriter) const override {
    msq::DequantizeOp dequantize = perTensorDequantize(op.getSource());
    std::optional<ActivationCodes> activation = matchActivation(op.getSource());
    Value padding = op.getConstantPaddingValue();
    FloatAttr value;
    if (!dequantize || !activation || !padding || !matchPattern(padding, m_Constant(&value)) || !value.getValue().isZero())
      return rewriter.notifyMatchFailure(op, "no unsigned codes padded with zero");
    Value code = arith::ConstantOp::create(rewriter, op.getLoc(),
                                           rewriter.getIntegerAttr(rewriter.getI8Type(), int8_t(activation->zero)));
    auto padded = tensor::PadOp::create(rewriter, op.getLoc(), codesLike(op.getResult()), activation->codes,
                                        op.getMixedLowPad(), op.getMixedHighPad(), code);
    rewriter.replaceOp(op, dequantizeLike(rewriter, dequantize, padded, op.getType()));
    return success();
  }
};

/// Signed codes q become unsigned codes q + 2^(b-1) with the zero point moved as much.
void makeUnsigned(msq::QuantizeOp op) {
  msq::FormatAttr format = op.getFormat();
  std::optional<int32_t> zero = constantInteger(op.getZero());
  if (op.getBits() || format.getKind() != msq::FormatKind::Signed || format.getNarrow() || !zero ||
      constantBytes(op.getCodes()))
    return;
  auto matches = [&](Operation *user) {
    auto dequantize = dyn_cast<msq::DequantizeOp>(user);
    return dequantize && !dequantize.getBits() && dequantize.getFormat() == format &&
           constantInteger(dequantize.getZero()) == zero;
  };
  if (!llvm::all_of(op->getUsers(), matches))
    return;
  OpBuilder builder(op);
  auto type = RankedTensorType::get({}, builder.getI32Type());
  Value moved = arith::ConstantOp::create(builder, op.getLoc(),
                                          DenseElementsAttr::get(type, *zero + (1 << (format.getBits() - 1))));
  auto unsignedFormat = msq::FormatAttr::get(op.getContext(), msq::FormatKind::Unsigned, format.getBits(), false);
  auto update = [&](auto quantizer) {
    quantizer.setFormatAttr(unsignedFormat);
    quantizer.getZeroMutable().assign(moved);
  };
  update(op);
  for (Operation *user : op->getUsers())
    update(cast<msq::DequantizeOp>(user));
}

struct SinkDequantize : impl::SinkDequantizeBase<SinkDequantize> {
  void runOnOperation() override {
    getOperation().walk(makeUnsigned);
    RewritePatternSet patterns(&getContext());
    patterns.add<SinkThroughMovement, SinkThroughConcat, SinkThroughPad>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace anybit
