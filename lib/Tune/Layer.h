//===- Layer.h - one layer as a network of its own --------------*- C++ -*-===//
#ifndef ANYBIT_LIB_TUNE_LAYER_H
#define ANYBIT_LIB_TUNE_LAYER_H

#include "anybit/Target/CPU/KernelChoice.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace anybit::tune {

/// Everything that the time of a layer depends on, besides the CPU: sizes, formats, and what its epilogue reads and
/// writes, in words. Layers with the same words are measured once.
std::string describeLayer(lowbit::ConvOp op);

/// Multiply-accumulates of one run.
int64_t macsOf(lowbit::ConvOp op);

/// Whether the layer can be taken out of its network: its weights and parameters per channel are constant.
bool canStandAlone(lowbit::ConvOp op);

/// The layer alone: one candidate for each choice, named as in `toString`, whose input and parameters per element are
/// those of the network. Weights are packed, in every store.
mlir::OwningOpRef<mlir::ModuleOp> layerModule(lowbit::ConvOp op, llvm::ArrayRef<cpu::KernelChoice> choices);

/// Runs the artifact at `path` on zeros, its candidates in turns, on one thread. Result: the least nanoseconds that the
/// convolution of each candidate took.
llvm::Expected<std::vector<double>> timeCandidates(llvm::StringRef path);

} // namespace anybit::tune

#endif // ANYBIT_LIB_TUNE_LAYER_H
