//===- KernelChoice.h - the ways to compute one convolution -----*- C++ -*-===//
//
// The one place that enumerates what may be chosen for a layer: the kernel family, the registers of columns in a block
// of weights, and whether narrow weights are stored as bytes. What each choice costs is in CostTable.h
// (docs/kernels.md, "Choice").
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_TARGET_CPU_KERNELCHOICE_H
#define ANYBIT_TARGET_CPU_KERNELCHOICE_H

#include "anybit/Dialect/Lowbit/IR/Lowbit.h"
#include "anybit/Target/CPU/DotTile.h"

#include <optional>

namespace anybit::cpu {

/// What the time of a convolution depends on, besides the CPU.
struct LayerShape {
  /// Of a convolution whose weights are not packed yet.
  static LayerShape of(lowbit::ConvOp op);

  bool isDepthwise() const { return groups > 1 && inputs == 1 && outputs == 1; }
  int64_t taps() const { return kernelHeight * kernelWidth; }
  int64_t positions() const { return batch * height * width; }
  /// Bits that a weight of the family `dot4` takes in memory: 8, 4, 2 or 1.
  unsigned storageBits() const { return weightBits > 4 ? 8 : weightBits > 2 ? 4 : weightBits; }

  bool real = false;
  int64_t groups = 1;
  int64_t inputs = 1, outputs = 1; ///< Channels of one group.
  int64_t kernelHeight = 1, kernelWidth = 1;
  int64_t strideHeight = 1, strideWidth = 1;
  int64_t batch = 1, height = 1, width = 1; ///< Of the output.
  unsigned weightBits = 8, inputBits = 8;
  unsigned planes = 1;   ///< Bytes that a weight of the format is the sum of (weights.h).
  bool fitsBytes = true; ///< Whether every weight is an int8.
  bool hasPlanes = true; ///< Whether the weights can be cut into planes of bits (`unsigned` ones cannot).
};

/// One way to compute a convolution.
struct KernelChoice {
  lowbit::Family family;
  int64_t vectors;    ///< Registers of columns in a block of weights.
  bool bytes = false; ///< Weights of four and fewer bits are stored as bytes, so that no kernel widens them.

  bool operator==(const KernelChoice &other) const {
    return family == other.family && vectors == other.vectors && bytes == other.bytes;
  }
};

/// A family, a number of registers and a storage that are wanted: for tests and measurements.
struct WantedChoice {
  std::optional<lowbit::Family> family;
  int64_t vectors = 0; ///< 0: any.
  bool bytes = false;  ///< Of a family that is wanted.
  bool narrow = false; ///< No bytes for narrow weights.

  bool admits(const KernelChoice &choice) const {
    bool storageFits = family ? choice.bytes == bytes : !narrow || !choice.bytes;
    return storageFits && (!family || choice.family == *family) && (vectors == 0 || choice.vectors == vectors);
  }
};

/// `FAMILY[:VECTORS[:bytes]]`, for example `dot4:2`; an empty text wants nothing. An error lists the families.
llvm::Expected<WantedChoice> parseWantedChoice(llvm::StringRef text);

/// `dot4:2`, `amx:2:bytes`
std::string toString(const KernelChoice &choice);

/// What an op carries as `lowbit.choice`, and back.
lowbit::ChoiceAttr toAttribute(mlir::MLIRContext *context, const KernelChoice &choice, llvm::StringRef reason,
                                double nanoseconds = 0);
KernelChoice fromAttribute(lowbit::ChoiceAttr choice);

/// Every way in which kernels of `target` compute the layer, one, two and four registers of columns
/// and what the rule says (DotTile.h), that first within a family.
llvm::SmallVector<KernelChoice> enumerateChoices(const LayerShape &layer, const CpuTarget &target);

/// The form of its dot products. Int16 sums of the very weights are proven later (recipe R9); here the ranges of
/// `signed` formats decide.
StepForm formOf(const LayerShape &layer, const CpuTarget &target);

/// Work of a choice by rule, in instructions on whole registers: tiles with their overlap, padding of the reduction,
/// epilogue, cutting of the input. A cost is this times what an instruction was measured to take.
double workOf(const LayerShape &layer, const KernelChoice &choice, const CpuTarget &target);

/// How fast instructions of the family are by the rates of the target (CpuTarget.h), per register and cycle.
double nominalRate(lowbit::Family family, const CpuTarget &target);

} // namespace anybit::cpu

#endif // ANYBIT_TARGET_CPU_KERNELCHOICE_H
