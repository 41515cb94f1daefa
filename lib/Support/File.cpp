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

static bool isSpecial(StringRef path) { return path == "-" || path == "/dev/null"; }

static Expected<sys::fs::TempFile> createBeside(StringRef path) {
  return sys::fs::TempFile::create(path + ".temp-%%%%%%", sys::fs::all_read | sys::fs::all_write);
}

// Not llvm::writeToOutput: it ends the process when the disk is full, and replaces devices and pipes.
static Error writeAndRename(StringRef path, ArrayRef<ArrayRef<char>> parts) {
  Expected<sys::fs::TempFile> file = createBeside(path);
  if (!file)
    return file.takeError();
  raw_fd_ostream stream(file->FD, /*shouldClose=*/false);
  if (Error error = writeParts(stream, parts))
    return joinErrors(std::move(error), file->discard());
  return file->keep(path);
}

static Error cannotWrite(StringRef path, const Twine &why) {
  return createStringError("cannot write '" + path + "': " + why);
}

static Error checkKind(StringRef path) {
  sys::fs::file_status status;
  if (!isSpecial(path) && !sys::fs::status(path, status) && status.type() != sys::fs::file_type::regular_file)
    return cannotWrite(path, "it exists and is no regular file; choose another output");
  return Error::success();
}

Error writeFile(StringRef path, ArrayRef<ArrayRef<char>> parts) {
  if (Error error = checkKind(path))
    return error;
  Error error = path == "-"       ? writeParts(outs(), parts)
                : isSpecial(path) ? Error::success()
                                  : writeAndRename(path, parts);
  return error ? cannotWrite(path, toString(std::move(error))) : Error::success();
}

Error checkOutput(StringRef path, StringRef input) {
  if (Error error = checkKind(path))
    return error;
  if (isSpecial(path))
    return Error::success();
  if (sys::fs::equivalent(path, input))
    return cannotWrite(path, "it is the input; choose another output");
  Expected<sys::fs::TempFile> file = createBeside(path);
  if (!file)
    return cannotWrite(path, toString(file.takeError()));
  return file->discard();
}

} // namespace anybit
