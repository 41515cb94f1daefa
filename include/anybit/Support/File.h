//===- File.h - writing files whole or not at all ---------------*- C++ -*-===//
#ifndef ANYBIT_SUPPORT_FILE_H
#define ANYBIT_SUPPORT_FILE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace anybit {

/// Writes `parts` one after the other to `path`: first to a temporary file beside it, which then takes its name. On an
/// error nothing is left and an older file is unchanged. A path that exists and is no regular file is refused, except
/// "-" (standard output) and "/dev/null".
llvm::Error writeFile(llvm::StringRef path, llvm::ArrayRef<llvm::ArrayRef<char>> parts);

/// What `writeFile` would say of `path` now, before long work: it cannot be written, or it is `input`, which would be
/// lost.
llvm::Error checkOutput(llvm::StringRef path, llvm::StringRef input);

} // namespace anybit

#endif // ANYBIT_SUPPORT_FILE_H
