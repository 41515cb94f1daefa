//===- Integerize.cpp - quantized groups become integer ops ---------------===//

#include "IntegerGroups.h"
#include "anybit/Transforms/Passes.h"

#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace anybit {
#define GEN_PASS_DEF_INTEGERIZE
#include "anybit/Transforms/Passes.h.inc"

namespace {

struct Integerize : impl::IntegerizeBase<Integerize> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<msq::ConvOp> convolutions;
    getOperation().walk([&](msq::ConvOp op) { convolutions.push_back(op); });
    for (msq::ConvOp op : convolutions)
      (void)integerizeConvolution(rewriter, op); // a convolution that does not match stays real
    // Activations between quantizers are several ops in most files; fused they are one function of one code.
    RewritePatternSet fusion(&getContext());
    linalg::populateElementwiseOpsFusionPatterns(fusion, [](OpOperand *operand) {
      return operand->get().hasOneUse() || llvm::all_equal(operand->get().getUsers());
    });
    if (failed(applyPatternsGreedily(getOperation(), std::move(fusion))))
      return signalPassFailure();
    RewritePatternSet patterns(&getContext());
    populateTablePatterns(patterns);
    populatePoolPatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace anybit
