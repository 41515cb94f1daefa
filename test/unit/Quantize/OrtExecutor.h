//===- OrtExecutor.h - calibration on ONNX Runtime --------------*- C++ -*-===//
//
// For tests: a Python process runs the fragments, so that what is tested does not depend on our own kernels.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_TEST_UNIT_QUANTIZE_ORTEXECUTOR_H
#define ANYBIT_TEST_UNIT_QUANTIZE_ORTEXECUTOR_H

#include "anybit/Quantize/Executor.h"

#include "llvm/ADT/StringRef.h"

namespace anybit::quantize {

/// Starts `python` with the helper script; all programs share it. Fails if it does not answer.
llvm::Expected<std::unique_ptr<Executor>> startOrtExecutor(llvm::StringRef python, llvm::StringRef script);

} // namespace anybit::quantize

#endif // ANYBIT_TEST_UNIT_QUANTIZE_ORTEXECUTOR_H
