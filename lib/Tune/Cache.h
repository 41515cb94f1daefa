//===- Cache.h - measured times of layers on disk ---------------*- C++ -*-===//
#ifndef ANYBIT_LIB_TUNE_CACHE_H
#define ANYBIT_LIB_TUNE_CACHE_H

#include "anybit/Target/CPU/CostTable.h"

#include "llvm/Support/raw_ostream.h"

namespace anybit::tune {

/// A folder of files, one a layer, each named after the hash of its key and holding the whole key. Files are replaced
/// in one step: processes that write the same layer do not disturb each other, and the last one stays.
class Cache {
public:
  Cache(std::string directory, llvm::raw_ostream &warnings) : directory(std::move(directory)), warnings(warnings) {}

  /// Makes the folder. An error says that it cannot be written.
  llvm::Error prepare() const;
  /// The times of a layer; none if there are none for exactly these choices, which is a warning if the file is damaged.
  std::optional<cpu::ChoiceCosts> find(llvm::StringRef key, llvm::ArrayRef<cpu::KernelChoice> choices) const;
  llvm::Error store(llvm::StringRef key, const cpu::ChoiceCosts &costs) const;

private:
  std::string pathOf(llvm::StringRef key) const;

  std::string directory;
  llvm::raw_ostream &warnings;
};

/// The times in the text of a file. An error says what is wrong with it, also that it is of another key.
llvm::Expected<cpu::ChoiceCosts> parseEntry(llvm::StringRef text, llvm::StringRef key);

} // namespace anybit::tune

#endif // ANYBIT_LIB_TUNE_CACHE_H
