#ifndef ANYBIT_TEST_UNIT_DATA_DATATESTING_H
#define ANYBIT_TEST_UNIT_DATA_DATATESTING_H

#include "anybit/Data/Npy.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"

namespace anybit::data {

inline std::string inputPath(const std::string &name) { return std::string(ANYBIT_DATA_INPUTS) + "/" + name; }

inline std::string fileBytes(const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  return buffer ? (*buffer)->getBuffer().str() : std::string();
}

inline llvm::ArrayRef<char> chars(const std::string &text) { return {text.data(), text.size()}; }
inline llvm::ArrayRef<uint8_t> unsignedChars(const std::string &text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

/// The value; an error fails the test with its message.
template <typename T> T good(llvm::Expected<T> value) {
  if (value)
    return std::move(*value);
  ADD_FAILURE() << llvm::toString(value.takeError());
  return T();
}

/// The message of an error, "" where there is none.
template <typename T> std::string message(llvm::Expected<T> value) {
  return value ? std::string() : llvm::toString(value.takeError());
}
inline std::string message(llvm::Error error) { return error ? llvm::toString(std::move(error)) : std::string(); }

#define EXPECT_SAYS(value, part) EXPECT_NE(message(value).find(part), std::string::npos) << message(value)

/// A directory that is removed with what it holds.
class TemporaryDirectory {
public:
  TemporaryDirectory() { EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("anybit-data", path)); }
  ~TemporaryDirectory() { llvm::sys::fs::remove_directories(path); }
  std::string file(const std::string &name) const { return path.str().str() + "/" + name; }
  std::string str() const { return path.str().str(); }
  void copy(const std::string &name, const std::string &as) const {
    EXPECT_FALSE(llvm::sys::fs::copy_file(inputPath(name), file(as)));
  }
  size_t entries() const {
    std::error_code code;
    size_t count = 0;
    for (llvm::sys::fs::directory_iterator it(path, code), end; !code && it != end; it.increment(code))
      ++count;
    return count;
  }

private:
  llvm::SmallString<64> path;
};

} // namespace anybit::data

#endif // ANYBIT_TEST_UNIT_DATA_DATATESTING_H
