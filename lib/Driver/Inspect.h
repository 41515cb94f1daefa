//===- Inspect.h - the two things that inspect shows ------------*- C++ -*-===//
#ifndef ANYBIT_LIB_DRIVER_INSPECT_H
#define ANYBIT_LIB_DRIVER_INSPECT_H

#include "CommandLine.h"

#include <string>

namespace anybit::driver {

/// Prints what is in the artifact at `path`, per candidate and layer. Returns the exit code.
int inspectArtifact(const std::string &path, bool json);

/// Prints inputs, outputs, opsets, op counts and candidates of the ONNX file at `path`, and whether it can be compiled.
/// Returns the exit code: 2 if the file is not sound, 3 if an operator is unsupported.
int inspectModel(const std::string &path, bool json);

} // namespace anybit::driver

#endif // ANYBIT_LIB_DRIVER_INSPECT_H
