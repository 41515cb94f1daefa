//===- DotProduct.h - four byte products a lane -----------------*- C++ -*-===//
#ifndef ANYBIT_LIB_TARGET_CPU_DOTPRODUCT_H
#define ANYBIT_LIB_TARGET_CPU_DOTPRODUCT_H

#include "KernelBuilder.h"

namespace anybit::cpu {

/// a * b + c, fused where the target has it (float convolutions are outside bit identity, numerics N6).
mlir::Value multiplyAdd(KernelBuilder &kb, const CpuTarget &target, mlir::Value a, mlir::Value b, mlir::Value c);

/// Sums of four unsigned-by-signed byte products per int32 lane, in the form the target has (exact: numerics N4).
class DotProduct {
public:
  /// One register of weights (lanes x 4 bytes), prepared once per step for all rows.
  using Weights = llvm::SmallVector<mlir::Value, 4>;
  /// Four codes of one row, in every lane.
  using Activations = llvm::SmallVector<mlir::Value, 4>;

  DotProduct(KernelBuilder &kb, const CpuTarget &target);

  /// The weights of one step (runtime/include/anybit/weights.h), unpacked to int8.
  llvm::SmallVector<Weights> loadWeights(mlir::Value pointer, lowbit::PackedAttr packed, msq::FormatAttr format,
                                         int64_t zero, int64_t vectors);
  Activations prepare(mlir::Value dword);
  mlir::Value accumulate(mlir::Value sum, const Activations &codes, const Weights &weights);

private:
  mlir::Value loadBytes(mlir::Value pointer, lowbit::PackedAttr packed, int64_t vector);
  mlir::Value decode(mlir::Value indices, msq::FormatAttr format, int64_t zero);
  mlir::Value maddPairs(mlir::Value a, mlir::Value b);

  KernelBuilder &kb;
  const CpuTarget &target;
  int64_t lanes;
  mlir::VectorType dwords, words, bytes;
};

} // namespace anybit::cpu

#endif // ANYBIT_LIB_TARGET_CPU_DOTPRODUCT_H
