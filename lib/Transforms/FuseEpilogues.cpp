#include "CodeMatchers.h"
#include "anybit/Transforms/Passes.h"

#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace anybit {
#define GEN_PASS_DEF_FUSEEPILOGUES
#include "anybit/Transforms/Passes.h.inc"

namespace {

/// Ops that kernels evaluate on vectors of elements.
bool isVectorizable(Block &body) {
  return llvm::all_of(body.without_terminator(), [](Operation &op) {
    return isa<arith::ConstantOp, lowbit::RoundOp>(op) || OpTrait::hasElementwiseMappableTraits(&op);
  });
}

/// A parameter of the convolution: per channel (dimension 1) or per element.
bool isParameter(linalg::GenericOp op, OpOperand &operand) {
  auto type = cast<RankedTensorType>(operand.get().getType());
  if (!type.getElementType().isF32() && !type.getElementType().isInteger(8))
    return false;
  AffineMap map = op.getMatchingIndexingMap(&operand);
  if (map.isIdentity())
    return true;
  return map.getNumResults() == 1 && map.getResult(0) == getAffineDimExpr(1, op.getContext()) &&
         type.getElementType().isF32() && operand.get().getDefiningOp<arith::ConstantOp>();
}

/// generic(conv(x)) => conv(x) with a longer epilogue
struct FuseConsumer : OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(linalg::GenericOp op, PatternRewriter &rewriter) const override {
    if (!isElementwise(op) || !isVectorizable(*op.getBody()) || op.getNumResults() != 1)
      return rewriter.notifyMatchFailure(op, "not an elementwise op that kernels evaluate on vectors");
    Type element = cast<RankedTensorType>(op.getResultTypes()[0]).getElementType();
    if (!element.isF32() && !element.isInteger(8))
      return rewriter.notifyMatchFailure(op, "results of a convolution are reals or codes");
    for (OpOperand *operand : op.getDpsInputOperands()) {
      auto conv = operand->get().getDefiningOp<lowbit::ConvOp>();
      if (conv && conv.getNumResults() == 1 && conv->hasOneUse() && isWholeOperand(op, *operand) &&
          othersFit(op, operand))
        return fuse(op, operand, conv, rewriter);
    }
    return rewriter.notifyMatchFailure(op, "no operand is a convolution of its own");
  }

private:
  static bool othersFit(linalg::GenericOp op, OpOperand *convolution) {
    return llvm::all_of(op.getDpsInputOperands(),
                        [&](OpOperand *operand) { return operand == convolution || isParameter(op, *operand); });
  }

  static LogicalResult fuse(linalg::GenericOp op, OpOperand *operand, lowbit::ConvOp conv, PatternRewriter &rewriter) {
    SmallVector<Value> parameters(conv.getParameters());
    for (OpOperand *other : op.getDpsInputOperands())
      if (other != operand)
        parameters.push_back(other->get());
    auto fused = lowbit::ConvOp::create(rewriter, conv.getLoc(), op.getResultTypes(), conv.getInput(), conv.getWeights(),
                                        conv.getInitial(), parameters, conv.getStrides(), conv.getPads(),
                                        conv.getDilations(), conv.getGroups(), conv.getKernel(), conv.getInputZero(),
                                        conv.getWeightFormatAttr(), conv.getWeightZero(), conv.getInputHigh());
    rewriter.inlineRegionBefore(conv.getEpilogue(), fused.getEpilogue(), fused.getEpilogue().end());
    appendBody(op, operand, fused, rewriter);
    rewriter.replaceOp(op, fused.getResults());
    rewriter.eraseOp(conv);
    return success();
  }

  /// The generic's body behind the convolution's, reading what that yielded.
  static void appendBody(linalg::GenericOp op, OpOperand *operand, lowbit::ConvOp fused, PatternRewriter &rewriter) {
    Block &body = fused.getBody(), &tail = *op.getBody();
    auto yield = cast<lowbit::YieldOp>(body.back());
    IRMapping map;
    for (OpOperand *input : op.getDpsInputOperands()) {
      BlockArgument argument = tail.getArgument(input->getOperandNumber());
      map.map(argument, input == operand ? yield.getValues()[0] : body.addArgument(argument.getType(), op.getLoc()));
    }
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPoint(yield);
    for (Operation &inner : tail.without_terminator())
      rewriter.clone(inner, map);
    Value result = map.lookupOrDefault(tail.getTerminator()->getOperand(0));
    rewriter.replaceOpWithNewOp<lowbit::YieldOp>(yield, result);
  }
};

struct FuseEpilogues : impl::FuseEpiloguesBase<FuseEpilogues> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FuseConsumer>(&getContext());
    GreedyRewriteConfig config;
    config.enableConstantCSE(false);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns), config)))
      signalPassFailure();
  }
};

} // namespace
} // namespace anybit
