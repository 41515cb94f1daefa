//===- Sensitivity.h - what each quantizer costs ----------------*- C++ -*-===//
#ifndef ANYBIT_LIB_QUANTIZE_SENSITIVITY_H
#define ANYBIT_LIB_QUANTIZE_SENSITIVITY_H

#include "Loss.h"
#include "Simulator.h"

namespace anybit::quantize {

/// By site: the loss of the float network's outputs if this site alone has codes, on a few samples that are not held
/// out; 0 for sites that `choices` leave real. `simulator` runs `network`.
llvm::Expected<std::vector<double>> lossOfEachSite(const Network &network, Simulator &simulator,
                                                   llvm::ArrayRef<Batch> inputs, Task task,
                                                   llvm::ArrayRef<SiteChoice> choices);

/// The few sites with most of the loss, the worst first: no more than make up three quarters of its sum, and no more than
/// a sixteenth of all.
std::vector<size_t> costliest(llvm::ArrayRef<double> losses);

} // namespace anybit::quantize

#endif // ANYBIT_LIB_QUANTIZE_SENSITIVITY_H
