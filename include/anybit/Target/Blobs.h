//===- Blobs.h - memory of constants ----------------------------*- C++ -*-===//
#ifndef ANYBIT_TARGET_BLOBS_H
#define ANYBIT_TARGET_BLOBS_H

#include "mlir/IR/BuiltinOps.h"

namespace anybit {

/// Frees the resource blobs of the context that no op of `module` refers to: MLIR keeps every blob as long as the context,
/// also those of constants that have been folded or packed. No other module of the context may use them.
void releaseUnusedBlobs(mlir::ModuleOp module);

} // namespace anybit

#endif // ANYBIT_TARGET_BLOBS_H
