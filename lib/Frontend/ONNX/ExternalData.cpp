#include "ExternalData.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/SHA1.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/openat2.h>
#include <sys/syscall.h>
#endif

using namespace llvm;

namespace anybit::onnx {

File::~File() {
  if (descriptor >= 0)
    ::close(descriptor);
}

static std::string systemError(const Twine &what) { return (what + ": " + sys::StrError()).str(); }

/// O_NONBLOCK: opening a FIFO must not wait for a writer.
static constexpr int readFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

File openModelFile(StringRef path, int64_t &size, std::string &error) {
  File file(::open(path.str().c_str(), readFlags));
  struct stat status = {};
  if (!file || ::fstat(file.get(), &status) != 0) {
    error = systemError("cannot open " + path);
    return File();
  }
  if (!S_ISREG(status.st_mode)) {
    error = (path + " is not a regular file").str();
    return File();
  }
  size = status.st_size;
  return file;
}

/// Why `location` must not be used, or an empty string. The operating system refuses the same once more.
static StringRef unsafeLocation(StringRef location) {
  if (location.empty())
    return "is empty";
  if (location.contains('\0'))
    return "contains a NUL";
  if (location.contains('\\'))
    return "contains a backslash";
  if (location.starts_with("/"))
    return "is absolute; it must be relative to the model's directory";
  SmallVector<StringRef> parts;
  location.split(parts, '/');
  if (is_contained(parts, ".."))
    return "contains '..'; the file must lie below the model's directory";
  return "";
}

/// Opens one path component after the other, none of which may be a link.
static int openComponents(int root, StringRef location) {
  SmallVector<StringRef> parts;
  location.split(parts, '/', -1, /*KeepEmpty=*/false);
  if (parts.empty())
    return -1;
  File current;
  for (StringRef part : ArrayRef(parts).drop_back()) {
    const int parent = current ? current.get() : root;
    current = File(::openat(parent, part.str().c_str(), readFlags | O_NOFOLLOW | O_DIRECTORY));
    if (!current)
      return -1;
  }
  return ::openat(current ? current.get() : root, parts.back().str().c_str(), readFlags | O_NOFOLLOW);
}

static int openBeneath(int root, StringRef location) {
#if defined(__linux__) && defined(SYS_openat2)
  struct open_how how = {};
  how.flags = readFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const long result = ::syscall(SYS_openat2, root, location.str().c_str(), &how, sizeof(how));
  if (result >= 0 || (errno != ENOSYS && errno != EPERM))
    return static_cast<int>(result);
#endif
  return openComponents(root, location);
}

File ExternalData::open(StringRef location, std::string &error) {
  if (StringRef reason = unsafeLocation(location); !reason.empty()) {
    error = ("its external data location " + reason).str();
    return File();
  }
  if (directory.empty()) {
    error = "it is external data, but the model comes from memory and has no directory";
    return File();
  }
  if (!root)
    root = File(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) {
    error = systemError("cannot open the model's directory " + directory);
    return File();
  }
  File file(openBeneath(root.get(), location));
  if (!file && (errno == ELOOP || errno == ENOTDIR))
    error = "its external data is reached through a symbolic link, or a file in place of a directory";
  else if (!file)
    error = systemError("its external data cannot be opened");
  return file;
}

static bool readFully(int descriptor, uint64_t offset, MutableArrayRef<char> data) {
  while (!data.empty()) {
    const ssize_t got = ::pread(descriptor, data.data(), data.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return false;
    data = data.drop_front(got);
    offset += got;
  }
  return true;
}

File ExternalData::openRegular(StringRef location, uint64_t &size, std::string &error) {
  File file = open(location, error);
  if (!file)
    return file;
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0)
    error = systemError("its external data cannot be examined");
  else if (!S_ISREG(status.st_mode))
    error = "its external data is not a regular file";
  else if (status.st_nlink != 1)
    error = ("its external data has " + Twine(status.st_nlink) + " hard links; it must have 1").str();
  if (!error.empty())
    return File();
  size = status.st_size;
  return file;
}

/// The SHA-1 digest of a file of `size` bytes in hexadecimal, "" if it cannot be read.
static std::string digestOf(int descriptor, uint64_t size) {
  SHA1 hash;
  std::vector<char> chunk(size_t(1) << 20);
  for (uint64_t at = 0; at < size; at += chunk.size()) {
    chunk.resize(std::min<uint64_t>(chunk.size(), size - at));
    if (!readFully(descriptor, at, chunk))
      return "";
    hash.update(StringRef(chunk.data(), chunk.size()));
  }
  return toHex(hash.final(), /*LowerCase=*/true);
}

bool ExternalData::check(StringRef location, StringRef expected, int64_t mostBytes, std::string &error) {
  std::string &digest = digests[location];
  uint64_t size = 0;
  if (digest.empty()) {
    File file = openRegular(location, size, error);
    if (!file)
      return false;
    if (size > static_cast<uint64_t>(mostBytes))
      error =
          ("its external data has a checksum and " + Twine(size) + " bytes; at most " + Twine(mostBytes) + " are read")
              .str();
    else if ((digest = digestOf(file.get(), size)).empty())
      error = "its external data cannot be read to its end";
  }
  if (error.empty() && !expected.equals_insensitive(digest))
    error = ("its external data has the SHA-1 digest " + digest + ", but its checksum says " + expected +
             "; the file was changed or is another one")
                .str();
  return error.empty();
}

bool ExternalData::read(StringRef location, uint64_t offset, uint64_t bytes, bool wholeRest, std::vector<char> &data,
                        std::string &error) {
  uint64_t size = 0;
  File file = openRegular(location, size, error);
  if (!file)
    return false;
  if (offset > size || bytes > size - offset) {
    error = ("it needs " + Twine(bytes) + " bytes at offset " + Twine(offset) + ", but its external data has " +
             Twine(size) + " bytes")
                .str();
    return false;
  }
  if (wholeRest && size - offset != bytes) {
    error = ("it needs " + Twine(bytes) + " bytes, but its external data has " + Twine(size - offset) +
             " from offset " + Twine(offset) + " on and no length is given")
                .str();
    return false;
  }
  data.resize(bytes);
  if (!readFully(file.get(), offset, data)) {
    error = "its external data became shorter while being read";
    return false;
  }
  return true;
}

} // namespace anybit::onnx
