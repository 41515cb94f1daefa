#include "anybit/Support/File.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace anybit {

/// Writes everything, and takes the error out of the stream: one left there ends the process in its destructor.
static Error writeParts(raw_fd_ostream &stream, ArrayRef<ArrayRef<char>> parts) {
  for (ArrayRef<char> part : parts)
    stream.write(part.data(), part.size());
  stream.flush();
  std::error_code code = stream.error();
  stream.clear_error();
  return code ? errorCodeToError(code) : Error::success();
}

// Not llvm::writeToOutput: it ends the process when the disk is full, and replaces devices and pipes.
static Error writeAndRename(StringRef path, ArrayRef<ArrayRef<char>> parts) {
  Expected<sys::fs::TempFile> file =
      sys::fs::TempFile::create(path + ".temp-%%%%%%", sys::fs::all_read | sys::fs::all_write);
  if (!file)
    return file.takeError();
  raw_fd_ostream stream(file->FD, /*shouldClose=*/false);
  if (Error error = writeParts(stream, parts))
    return joinErrors(std::move(error), file->discard());
  return file->keep(path);
}

Error writeFile(StringRef path, ArrayRef<ArrayRef<char>> parts) {
  sys::fs::file_status status;
  bool special = path == "-" || path == "/dev/null";
  if (!special && !sys::fs::status(path, status) && status.type() != sys::fs::file_type::regular_file)
    return createStringError("cannot write '" + path + "': it exists and is no regular file; choose another output");
  Error error = path == "-" ? writeParts(outs(), parts) : special ? Error::success() : writeAndRename(path, parts);
  if (!error)
    return Error::success();
  return createStringError("cannot write '" + path + "': " + toString(std::move(error)));
}

} // namespace anybit
