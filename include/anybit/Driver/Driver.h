//===- Driver.h - the command line of anybit --------------------*- C++ -*-===//
#ifndef ANYBIT_DRIVER_DRIVER_H
#define ANYBIT_DRIVER_DRIVER_H

#include "llvm/ADT/ArrayRef.h"

namespace anybit {

/// Runs `anybit VERB …`; `arguments` without the name of the program. Results go to standard output, everything else to
/// standard error. Returns the exit code: 0 done, 1 internal error, 2 invalid input, 3 unsupported.
int driverMain(llvm::ArrayRef<const char *> arguments);

} // namespace anybit

#endif // ANYBIT_DRIVER_DRIVER_H
