#ifndef ANYBIT_LIB_TRANSFORMS_INTEGERGROUPS_H
#define ANYBIT_LIB_TRANSFORMS_INTEGERGROUPS_H

#include "anybit/Dialect/Msq/IR/Msq.h"

#include "mlir/IR/PatternMatch.h"

namespace anybit {

/// Turns the group behind a convolution of codes into one `lowbit.conv` (numerics G4); one that is no such group stays.
/// Fails, with an error, where the accumulator or a multiplier leaves its range.
mlir::LogicalResult integerizeConvolution(mlir::IRRewriter &rewriter, msq::ConvOp op);

/// quantize(f(dequantize(q))) => table[q] (numerics N5, third bullet).
void populateTablePatterns(mlir::RewritePatternSet &patterns);

/// Turns an average pool of codes and the tail behind it into exact sums (numerics G5, N6); others stay.
void integerizeAverage(mlir::IRRewriter &rewriter, msq::PoolOp op);

} // namespace anybit

#endif // ANYBIT_LIB_TRANSFORMS_INTEGERGROUPS_H
