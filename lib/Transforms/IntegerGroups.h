#ifndef ANYBIT_LIB_TRANSFORMS_INTEGERGROUPS_H
#define ANYBIT_LIB_TRANSFORMS_INTEGERGROUPS_H

#include "anybit/Dialect/Msq/IR/Msq.h"

#include "mlir/IR/PatternMatch.h"

namespace anybit {

/// Turns the group behind a convolution of codes into one `lowbit.conv` (numerics N5).
mlir::LogicalResult integerizeConvolution(mlir::IRRewriter &rewriter, msq::ConvOp op);

/// quantize(f(dequantize(q))) => table[q] (numerics N5, third bullet).
void populateTablePatterns(mlir::RewritePatternSet &patterns);

/// Average pools of codes as exact sums (numerics N6).
void populatePoolPatterns(mlir::RewritePatternSet &patterns);

} // namespace anybit

#endif // ANYBIT_LIB_TRANSFORMS_INTEGERGROUPS_H
