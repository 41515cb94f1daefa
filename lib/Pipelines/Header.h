#ifndef ANYBIT_LIB_PIPELINES_HEADER_H
#define ANYBIT_LIB_PIPELINES_HEADER_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

namespace anybit {

/// Writes the C header of an object or static library beside it (same stem, `.h`): the descriptor's declaration and, per
/// candidate, the bytes of weights and arena.
llvm::Error writeHeader(mlir::ModuleOp module, llvm::StringRef descriptor, llvm::StringRef objectPath);

} // namespace anybit

#endif // ANYBIT_LIB_PIPELINES_HEADER_H
