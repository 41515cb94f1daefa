//===- CodePacking.h - four registers of reals to one of codes --*- C++ -*-===//
#ifndef ANYBIT_LIB_TARGET_CPU_CODEPACKING_H
#define ANYBIT_LIB_TARGET_CPU_CODEPACKING_H

#include "KernelBuilder.h"

namespace anybit::cpu {

/// Four registers of dwords become one of bytes by the saturating packs of x86 (SSE4.1, AVX2, AVX-512BW). In each 16
/// bytes of the result lie 4 bytes of every register, in order.
class CodePacking {
public:
  CodePacking(KernelBuilder &kb, int64_t lanes) : kb(kb), lanes(lanes) {}

  /// The low bytes of codes.
  mlir::Value pack(llvm::ArrayRef<mlir::Value> codes);

  /// The scalar of which `round` is taken, without clips that clamping the code does anyway; null where the result of
  /// `round` needs more than a store.
  static mlir::Value roundedScalar(lowbit::RoundOp round);
  /// `round` of four registers of reals (numerics N5). Packing clamps, so that one float comparison is left: it keeps
  /// large reals off the conversion, which makes the lowest integer of anything it cannot represent, NaN included.
  mlir::Value roundAndPack(llvm::ArrayRef<mlir::Value> reals, lowbit::RoundOp round);
  /// The bytes of a pack register by register.
  mlir::Value inOrder(mlir::Value packed);

private:
  enum class Pack { SignedWords, UnsignedWords, SignedBytes, UnsignedBytes };
  mlir::Value narrow(Pack pack, mlir::Value low, mlir::Value high);
  mlir::Value toInteger(mlir::Value real, double most);

  KernelBuilder &kb;
  int64_t lanes; // of a register of dwords
};

} // namespace anybit::cpu

#endif // ANYBIT_LIB_TARGET_CPU_CODEPACKING_H
