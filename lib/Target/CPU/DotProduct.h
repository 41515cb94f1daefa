//===- DotProduct.h - four byte products a lane -----------------*- C++ -*-===//
#ifndef ANYBIT_LIB_TARGET_CPU_DOTPRODUCT_H
#define ANYBIT_LIB_TARGET_CPU_DOTPRODUCT_H

#include "KernelBuilder.h"
#include "anybit/Target/CPU/DotTile.h"

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

  DotProduct(KernelBuilder &kb, const CpuTarget &target) : DotProduct(kb, target, target.lanes32()) {}
  /// Registers of `lanes` dwords, at most those of the target.
  DotProduct(KernelBuilder &kb, const CpuTarget &target, int64_t lanes)
      : DotProduct(kb, target, lanes, stepForm(target, /*pairSteps=*/0)) {}
  DotProduct(KernelBuilder &kb, const CpuTarget &target, int64_t lanes, StepForm form);

  /// The weights of one step (runtime/include/anybit/weights.h), unpacked to int8.
  llvm::SmallVector<Weights> loadWeights(mlir::Value pointer, lowbit::PackedAttr packed, msq::FormatAttr format,
                                         int64_t zero, int64_t vectors);
  Activations prepare(mlir::Value dword);
  /// The same of a register that holds four codes of every lane.
  Activations prepareLanes(mlir::Value codes);
  /// A register of codes as the int16 of even and of odd positions.
  llvm::SmallVector<mlir::Value> widenCodes(mlir::Value codes);
  /// Weights of one register that lie in memory as `accumulate` needs them: int8, or widened the int16 of even and then
  /// of odd positions, or the int32 of each position.
  Weights loadPrepared(mlir::Value pointer);
  void storePrepared(const Weights &weights, mlir::Value pointer);
  /// Bytes of one register of weights in that order.
  int64_t preparedBytes() const;
  /// What sums start from in the form `Pairs`: int16.
  mlir::Value zeroPairs() { return kb.integer(words, 0); }
  /// sum + products; `sum` has int32 lanes, in the form `Pairs` int16 ones.
  mlir::Value accumulate(mlir::Value sum, const Activations &codes, const Weights &weights);
  /// sum + products of the even or the odd positions of a step: two int16 codes and the part of `Weights` for them.
  mlir::Value accumulateWords(mlir::Value sum, mlir::Value twoCodes, mlir::Value weights);
  /// sum + the int16 sums of `Pairs`.
  mlir::Value addPairs(mlir::Value sum, mlir::Value pairs);

private:
  mlir::Value loadBytes(mlir::Value pointer, lowbit::PackedAttr packed, int64_t vector);
  mlir::Value loadRepeated(mlir::Value pointer, int64_t position, int64_t bits, int64_t stepBytes);
  mlir::Value decode(mlir::Value fields, int64_t storedBits, msq::FormatAttr format, int64_t zero);
  mlir::Value weightTable(int64_t storedBits, msq::FormatAttr format, int64_t zero);
  mlir::Value maddPairs(mlir::Value a, mlir::Value b);
  Weights widen(mlir::Value weights);
  bool takesWords() const { return form == StepForm::Words || form == StepForm::WideWords; }
  bool takesBytes() const { return form == StepForm::Dot || form == StepForm::Pairs; }

  KernelBuilder &kb;
  int64_t lanes;
  StepForm form;
  bool shuffles, permutes; ///< Bytes can be looked up in 16, in 64 others.
  mlir::VectorType dwords, words, bytes;
};

} // namespace anybit::cpu

#endif // ANYBIT_LIB_TARGET_CPU_DOTPRODUCT_H
