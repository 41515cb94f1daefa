//===- Sizes.h - bytes of candidates ----------------------------*- C++ -*-===//
#ifndef ANYBIT_LIB_TARGET_CPU_SIZES_H
#define ANYBIT_LIB_TARGET_CPU_SIZES_H

#include "anybit/Target/CPU/Emit.h"

#include "llvm/ADT/StringMap.h"

namespace anybit::cpu {

/// Sizes of the functions of an ELF object, added to `sizes` by kernel symbol; what LLVM cut out of a kernel counts for
/// it.
llvm::Error addCodeBytes(llvm::ArrayRef<char> object, llvm::StringMap<uint64_t> &sizes);

/// Fills `artifact.candidates` and `artifact.total` from the plan. `codeBytes`: by kernel symbol, its prefix included.
void measureCandidates(mlir::ModuleOp module, llvm::StringRef prefix, const llvm::StringMap<uint64_t> &codeBytes,
                       Artifact &artifact);

} // namespace anybit::cpu

#endif // ANYBIT_LIB_TARGET_CPU_SIZES_H
