//===- Artifact.h - artifacts through the C API -----------------*- C++ -*-===//
#ifndef ANYBIT_LIB_DRIVER_ARTIFACT_H
#define ANYBIT_LIB_DRIVER_ARTIFACT_H

#include "CommandLine.h"

#include "anybit/Data/Array.h"
#include "anybit/runtime.h"

#include "llvm/ADT/ArrayRef.h"

#include <memory>

namespace anybit::driver {

struct ModuleClose {
  void operator()(anybit_module *module) const { anybit_module_close(module); }
};
struct SessionDestroy {
  void operator()(anybit_session *session) const { anybit_session_destroy(session); }
};

/// An opened artifact: its path, its module and, after `createSession`, one session.
class Artifact {
public:
  /// Opens `path`. On failure prints why and returns the exit code.
  int open(const std::string &path);
  /// Makes the session of `threads` threads. On failure prints why and returns the exit code.
  int createSession(uint32_t threads);

  const std::string &path() const { return file; }
  uint64_t fileBytes() const { return bytes; }
  anybit_session *session() const { return owned.get(); }
  const anybit_module_descriptor &descriptor() const { return *anybit_module_descriptor_of(module.get()); }
  llvm::ArrayRef<anybit_tensor> inputs() const { return {descriptor().inputs, descriptor().input_count}; }
  llvm::ArrayRef<anybit_tensor> outputs() const { return {descriptor().outputs, descriptor().output_count}; }
  llvm::ArrayRef<anybit_variant> candidates() const { return {descriptor().variants, descriptor().variant_count}; }
  /// "w8a8, w4a4"
  std::string candidateNames() const;
  /// Index of a candidate, or -1 after printing which ones there are.
  int findCandidate(const std::string &name) const;
  /// Makes the next run use a candidate, also in a master store; returns the exit code.
  int useCandidate(uint32_t index) const;

private:
  std::string file;
  uint64_t bytes = 0;
  std::unique_ptr<anybit_module, ModuleClose> module;
  std::unique_ptr<anybit_session, SessionDestroy> owned;
};

/// Prints the runtime's sentence for a failed call and returns the exit code that belongs to its status.
int failRuntime(anybit_status status, llvm::StringRef what);

/// The shape of a tensor, without the unused dimensions.
llvm::ArrayRef<int64_t> shapeOf(const anybit_tensor &tensor);
/// "float32 1x3x32x32"
std::string typeText(const anybit_tensor &tensor);
/// Zeros of the type and shape of a tensor.
llvm::Expected<data::Array> makeArray(const anybit_tensor &tensor);

} // namespace anybit::driver

#endif // ANYBIT_LIB_DRIVER_ARTIFACT_H
