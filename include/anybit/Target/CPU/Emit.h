//===- Emit.h - plan to object code -----------------------------*- C++ -*-===//
#ifndef ANYBIT_TARGET_CPU_EMIT_H
#define ANYBIT_TARGET_CPU_EMIT_H

#include "anybit/Target/CPU/CpuTarget.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SmallVector.h"

namespace anybit::cpu {

struct EmitOptions {
  CpuTarget target;
  unsigned optimization = 3;
  std::string model;      ///< Name in the descriptor.
  std::string descriptor; ///< Symbol of the module descriptor.
  std::string prefix;     ///< Of kernel symbols: what keeps two models in one program apart.
  bool sharesConstants = false; ///< With other modules of the context: their bytes are not freed.
};

/// Bytes of one candidate, or of all of them.
struct Sizes {
  std::string name;
  uint64_t weights = 0; ///< Constants that its dispatches read; with the master store, its slot too.
  uint64_t code = 0;    ///< Machine code of its kernels.
  uint64_t arena = 0;   ///< High-water mark.
};

/// Kernels and descriptor of one module.
struct Artifact {
  /// Objects in a fixed order: equal input gives equal bytes.
  llvm::SmallVector<llvm::SmallVector<char, 0>> objects;
  /// In the order of the plan. What several candidates share counts in each of them,
  std::vector<Sizes> candidates;
  /// and once here: all constants, all kernels, the largest arena.
  Sizes total;
};

/// Code generation for a module of `plan` ops and kernel functions; unless they are shared, leaves its constants without their bytes.
llvm::Expected<Artifact> emitObjects(mlir::ModuleOp module, const EmitOptions &options);

/// The kernels and the descriptor as textual LLVM IR (`assembly`: as assembly).
llvm::Error emitText(mlir::ModuleOp module, const EmitOptions &options, bool assembly, llvm::raw_ostream &out);

/// These three take the objects out of `artifact`.
/// Links them into a shared library at `path` with ld.lld and seals its note (runtime/include/anybit/seal.h).
llvm::Error linkSharedLibrary(Artifact &artifact, llvm::StringRef path);
/// Joins objects into one relocatable object.
llvm::Error linkObject(Artifact &artifact, llvm::StringRef path);
/// Writes an archive.
llvm::Error writeStaticLibrary(Artifact &artifact, llvm::StringRef path);

} // namespace anybit::cpu

#endif // ANYBIT_TARGET_CPU_EMIT_H
