//===- WriteModel.h - the switchable file -----------------------*- C++ -*-===//
#ifndef ANYBIT_LIB_QUANTIZE_WRITEMODEL_H
#define ANYBIT_LIB_QUANTIZE_WRITEMODEL_H

#include "Calibrate.h"

namespace anybit::quantize {

/// The bytes of the switchable model (convention C1 to C4, C6): `choices` are by candidate, `masters` by layer. Equal
/// arguments give equal bytes.
std::string writeModel(const Network &network, llvm::ArrayRef<std::vector<float>> masters,
                       llvm::ArrayRef<WidthPlan> plans, llvm::ArrayRef<CandidateChoice> choices);

} // namespace anybit::quantize

#endif // ANYBIT_LIB_QUANTIZE_WRITEMODEL_H
