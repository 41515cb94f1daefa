#ifndef ANYBIT_LIB_PIPELINES_HEADER_H
#define ANYBIT_LIB_PIPELINES_HEADER_H

#include "anybit/Target/CPU/Emit.h"

namespace anybit {

/// Where the C header of an object or static library lies: beside it, same stem, `.h`.
std::string headerPath(llvm::StringRef objectPath);

/// Writes the C header: the descriptor's declaration and, per candidate and in all, the bytes of weights, code and
/// arena.
llvm::Error writeHeader(const cpu::Artifact &artifact, llvm::StringRef descriptor, llvm::StringRef path);

} // namespace anybit

#endif // ANYBIT_LIB_PIPELINES_HEADER_H
