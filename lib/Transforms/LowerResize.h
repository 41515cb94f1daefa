#ifndef ANYBIT_LIB_TRANSFORMS_LOWERRESIZE_H
#define ANYBIT_LIB_TRANSFORMS_LOWERRESIZE_H

#include "mlir/IR/PatternMatch.h"

namespace anybit {

/// On loops of a linear resize along one dimension: which.
inline constexpr llvm::StringLiteral linearDimension = "anybit.linear_dimension";

/// `msq.resize` as a gather whose source positions and weights are constant tables, one per resampled dimension.
void populateResizePatterns(mlir::RewritePatternSet &patterns);

} // namespace anybit

#endif // ANYBIT_LIB_TRANSFORMS_LOWERRESIZE_H
