//===- MathExpansion.h - transcendental functions as arithmetic -*- C++ -*-===//
#ifndef ANYBIT_LIB_TARGET_CPU_MATHEXPANSION_H
#define ANYBIT_LIB_TARGET_CPU_MATHEXPANSION_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace anybit::cpu {

/// Replaces transcendental functions of float32 by arithmetic: equal on every target that rounds alike, and loops over
/// them are still vectorized. Bounds of the errors: docs/numerics.md, N6.
mlir::LogicalResult expandMath(mlir::func::FuncOp function);

} // namespace anybit::cpu

#endif // ANYBIT_LIB_TARGET_CPU_MATHEXPANSION_H
