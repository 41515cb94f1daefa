//===- ExternalData.h - files beside the model ------------------*- C++ -*-===//
//
// A model may name any path; only regular, singly linked files below its own directory are opened, and no link on the
// way is followed.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_LIB_FRONTEND_ONNX_EXTERNALDATA_H
#define ANYBIT_LIB_FRONTEND_ONNX_EXTERNALDATA_H

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace anybit::onnx {

/// Owns a file descriptor.
class File {
public:
  File() = default;
  explicit File(int descriptor) : descriptor(descriptor) {}
  File(File &&other) noexcept : descriptor(other.descriptor) { other.descriptor = -1; }
  File &operator=(File &&other) noexcept {
    std::swap(descriptor, other.descriptor);
    return *this;
  }
  ~File();

  explicit operator bool() const { return descriptor >= 0; }
  int get() const { return descriptor; }

private:
  int descriptor = -1;
};

/// Opens `path` for reading, following links; it must be a regular file. On failure sets `error` to words.
File openModelFile(llvm::StringRef path, int64_t &size, std::string &error);

class ExternalData {
public:
  /// `directory` may be empty: then every request fails.
  explicit ExternalData(llvm::StringRef directory) : directory(directory) {}

  /// Reads `bytes` from `offset` of `location`. With `wholeRest`, the file must end there. On failure sets `error`.
  bool read(llvm::StringRef location, uint64_t offset, uint64_t bytes, bool wholeRest, std::vector<char> &data,
            std::string &error);

  /// Whether the SHA-1 digest of the whole file at `location` is `expected`, 40 hexadecimal digits. On failure sets
  /// `error`. A file of more than `mostBytes` is not read.
  bool check(llvm::StringRef location, llvm::StringRef expected, int64_t mostBytes, std::string &error);

private:
  /// The file that may be read, and its size.
  File openRegular(llvm::StringRef location, uint64_t &size, std::string &error);
  File open(llvm::StringRef location, std::string &error);

  std::string directory;
  File root;
  llvm::StringMap<std::string> digests; ///< Of files, in hexadecimal, by location.
};

} // namespace anybit::onnx

#endif // ANYBIT_LIB_FRONTEND_ONNX_EXTERNALDATA_H
