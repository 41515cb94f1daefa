//===- Reduction.h - the sum of a convolution as loops ----------*- C++ -*-===//
//
// What the families that read weights in ANYBIT_ORDER_STEPS (runtime/include/anybit/weights.h) share.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_LIB_TARGET_CPU_REDUCTION_H
#define ANYBIT_LIB_TARGET_CPU_REDUCTION_H

#include "ConvGeometry.h"
#include "DotProduct.h"

namespace anybit::cpu {

/// A loop of the reduction; the weights of all loops lie one after the other.
struct ReductionLoop {
  int64_t count, inputStride;
};

/// Kernel rows, kernel columns (unless they lie in one run), planes, steps of four codes or one real, outermost first.
/// Loops whose inputs lie side by side are one.
llvm::SmallVector<ReductionLoop> reductionLoops(const Geometry &g, lowbit::PackedAttr packed, const PixelStrides &input,
                                                bool real);

/// Trips of the loops from `level` on.
int64_t stepsFrom(llvm::ArrayRef<ReductionLoop> loops, size_t level);

/// Writes `steps` steps of a column block of `vectors` registers in the order that `dot` reads.
void expandSteps(KernelBuilder &kb, DotProduct &dot, lowbit::ConvOp op, lowbit::PackedAttr packed, int64_t steps,
                 int64_t vectors, mlir::Value weights, mlir::Value to);

} // namespace anybit::cpu

#endif // ANYBIT_LIB_TARGET_CPU_REDUCTION_H
