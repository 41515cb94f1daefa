//===- Npy.h - NumPy's .npy and .npz files ----------------------*- C++ -*-===//
//
// Files are untrusted: the header goes through a bounded parser, sizes are checked before memory is taken, files that
// are shorter or longer than their header says are refused. Element types: those of `ElementType`.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_DATA_NPY_H
#define ANYBIT_DATA_NPY_H

#include "anybit/Data/Array.h"

#include <utility>

namespace anybit::data {

/// What a `.npy` file says about itself.
struct NpyHeader {
  ElementType type = ElementType::Float32;
  bool bigEndian = false;
  bool fortranOrder = false;
  llvm::SmallVector<int64_t, 4> dims;
  uint64_t dataOffset = 0; ///< Where the elements begin, in bytes from the start.
};

/// Parses the header of a `.npy` file of format 1.0, 2.0 or 3.0 and checks that `bytes` has exactly the size it says.
llvm::Expected<NpyHeader> parseNpyHeader(llvm::ArrayRef<char> bytes);

/// Parses a whole `.npy` file in memory; Fortran order and foreign byte order are converted.
llvm::Expected<Array> parseNpy(llvm::ArrayRef<char> bytes);

/// The header of a file, without reading its elements. Errors name the file.
llvm::Expected<NpyHeader> readNpyHeader(llvm::StringRef path);

/// Reads a `.npy` file. Errors name the file.
llvm::Expected<Array> readNpy(llvm::StringRef path);

/// Writes format 1.0, C order, the byte order of the machine (see `writeFile`).
llvm::Error writeNpy(llvm::StringRef path, const Array &array);

/// The arrays of an `.npz` file, each with its name without ".npy", in the order of the archive.
using NamedArrays = std::vector<std::pair<std::string, Array>>;

/// Reads an `.npz` file (members stored or deflated). The members together may have 4 GiB; a member whose checksum or
/// size is not what the archive declares is refused, as are encrypted, split and zip64 archives.
llvm::Expected<NamedArrays> readNpz(llvm::StringRef path);

/// The same for an archive in memory.
llvm::Expected<NamedArrays> parseNpz(llvm::ArrayRef<char> bytes);

/// Writes the arrays as stored members, like `numpy.savez` (see `writeFile`). Names must be distinct and not empty.
llvm::Error writeNpz(llvm::StringRef path, const NamedArrays &arrays);

} // namespace anybit::data

#endif // ANYBIT_DATA_NPY_H
