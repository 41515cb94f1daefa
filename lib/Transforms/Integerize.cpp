//===- Integerize.cpp - quantized groups become integer ops ---------------===//

#include "IntegerGroups.h"
#include "anybit/Transforms/Passes.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace anybit {
#define GEN_PASS_DEF_INTEGERIZE
#include "anybit/Transforms/Passes.h.inc"

namespace {

struct Integerize : impl::IntegerizeBase<Integerize> {
  void runOnOperation() override {
    RewritePatternSet tables(&getContext());
    populateTablePatterns(tables);
    if (failed(applyPatternsGreedily(getOperation(), std::move(tables))))
      return signalPassFailure();
    IRRewriter rewriter(&getContext());
    SmallVector<msq::ConvOp> convolutions;
    getOperation().walk([&](msq::ConvOp op) { convolutions.push_back(op); });
    bool isComplete = true;
    for (msq::ConvOp op : convolutions)
      isComplete &= succeeded(integerizeConvolution(rewriter, op));
    SmallVector<msq::PoolOp> pools;
    getOperation().walk([&](msq::PoolOp op) { pools.push_back(op); });
    for (msq::PoolOp op : pools)
      integerizeAverage(rewriter, op);
    if (!isComplete)
      signalPassFailure();
  }
};

} // namespace
} // namespace anybit
