//===- Equalize.h - channels of like size in front of a layer ---*- C++ -*-===//
//
// Tensors that meet in a concat share one activation scale; one of them of ten times the size of the others leaves
// those a tenth of the codes. Where a channel of such a tensor goes from an affine through ops that keep factors (ReLU,
// moves) to layers alone, a power of two moves from it into the weights that read it. The float network stays what it
// was, and a run costs nothing more.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_LIB_QUANTIZE_EQUALIZE_H
#define ANYBIT_LIB_QUANTIZE_EQUALIZE_H

#include "Simulator.h"

namespace anybit::quantize {

/// Equalizes the channels of each site of `network` that several tensors share if the rounding noise behind the layers
/// that read it falls by that: coarser weight steps are weighed against finer activation steps. `inputs` are a few
/// samples of each graph input; `simulator` runs `network`. Changes affines and weights, not the steps.
llvm::Error equalizeChannels(Network &network, Simulator &simulator, llvm::ArrayRef<Batch> inputs);

} // namespace anybit::quantize

#endif // ANYBIT_LIB_QUANTIZE_EQUALIZE_H
