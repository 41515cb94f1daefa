//===- HalideObjects.h - objects of Halide in artifacts ---------*- C++ -*-===//
#ifndef ANYBIT_LIB_TARGET_CPU_HALIDEOBJECTS_H
#define ANYBIT_LIB_TARGET_CPU_HALIDEOBJECTS_H

#include "anybit/Target/CPU/Emit.h"

namespace anybit::cpu {

using ObjectBytes = llvm::SmallVector<char, 0>;

/// The objects whose functions `module` declares, in that order. Their functions are named prefix + symbol, so that two
/// models in one program have each its own, and hidden.
llvm::Expected<llvm::SmallVector<ObjectBytes>> takeHalideObjects(mlir::ModuleOp module, llvm::StringRef prefix);

} // namespace anybit::cpu

#endif // ANYBIT_LIB_TARGET_CPU_HALIDEOBJECTS_H
