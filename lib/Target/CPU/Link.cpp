#include "anybit/Target/CPU/Emit.h"

#include "anybit/Support/File.h"
#include "anybit/seal.h"

#include "llvm/Object/ArchiveWriter.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

using namespace llvm;

namespace anybit::cpu {
namespace {

/// Objects as files in a directory of their own, removed at the end. Their names are fixed: a linker may record them.
class ObjectFiles {
public:
  ~ObjectFiles() {
    if (!directory.empty())
      sys::fs::remove_directories(directory);
  }

  Error write(Artifact &artifact) {
    if (std::error_code error = sys::fs::createUniqueDirectory("anybit", directory))
      return createStringError(error, "cannot create a temporary directory: " + error.message());
    for (auto [i, object] : llvm::enumerate(artifact.objects)) {
      SmallVector<char, 0> bytes = std::move(object); // freed when written: one holds all constants
      SmallString<128> path(directory);
      sys::path::append(path, std::to_string(i) + ".o");
      std::error_code error;
      raw_fd_ostream out(path, error);
      if (!error)
        out.write(bytes.data(), bytes.size());
      out.close();
      if (error || out.has_error())
        return createStringError("cannot write " + path.str());
      paths.push_back(path.str().str());
    }
    return Error::success();
  }

  SmallString<128> inDirectory(StringRef name) const {
    SmallString<128> path(directory);
    sys::path::append(path, name);
    return path;
  }

  std::vector<std::string> paths;

private:
  SmallString<128> directory;
};

Error runLinker(ArrayRef<StringRef> flags, const ObjectFiles &files, StringRef output) {
  ErrorOr<std::string> linker = sys::findProgramByName("ld.lld-22");
  if (!linker)
    linker = sys::findProgramByName("ld.lld");
  if (!linker)
    return createStringError("cannot find ld.lld-22 on the path, install lld-22");
  SmallVector<StringRef> arguments{*linker};
  llvm::append_range(arguments, flags);
  arguments.append({"-o", output});
  llvm::append_range(arguments, files.paths);
  std::string message;
  SmallString<128> log = files.inDirectory("log");
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(log), StringRef(log)};
  if (sys::ExecuteAndWait(*linker, arguments, std::nullopt, redirects, 0, 0, &message) == 0)
    return Error::success();
  auto text = MemoryBuffer::getFile(log);
  return createStringError("linking failed: " + message + (text ? (*text)->getBuffer().str() : std::string()));
}

/// Copies a finished file to its place; nothing half written is ever seen there.
Error publish(StringRef from, StringRef to) {
  auto file = MemoryBuffer::getFile(from);
  if (!file)
    return createStringError("cannot read " + from + ": " + file.getError().message());
  StringRef bytes = (*file)->getBuffer();
  return writeFile(to, ArrayRef<char>(bytes.data(), bytes.size()));
}

} // namespace

Error linkSharedLibrary(Artifact &artifact, StringRef path) {
  ObjectFiles files;
  if (Error error = files.write(artifact))
    return error;
  SmallString<128> library = files.inDirectory("library.so");
  if (Error error = runLinker({"-shared", "--gc-sections", "--build-id=none", "-z", "now", "-z", "relro", "-soname", "anybit"},
                              files, library))
    return error;
  if (anybit_seal_file(library.c_str()) != ANYBIT_OK)
    return createStringError(anybit_last_error());
  return publish(library, path);
}

Error linkObject(Artifact &artifact, StringRef path) {
  ObjectFiles files;
  if (Error error = files.write(artifact))
    return error;
  SmallString<128> object = files.inDirectory("object.o");
  if (Error error = runLinker({"-r"}, files, object))
    return error;
  return publish(object, path);
}

Error writeStaticLibrary(Artifact &artifact, StringRef path) {
  ObjectFiles files;
  if (Error error = files.write(artifact))
    return error;
  std::vector<NewArchiveMember> members;
  for (const std::string &file : files.paths) {
    auto member = NewArchiveMember::getFile(file, /*Deterministic=*/true);
    if (!member)
      return member.takeError();
    member->MemberName = sys::path::filename(file);
    members.push_back(std::move(*member));
  }
  SmallString<128> library = files.inDirectory("library.a");
  if (Error error = writeArchive(library, members, SymtabWritingMode::NormalSymtab, object::Archive::K_GNU,
                                 /*Deterministic=*/true, /*Thin=*/false))
    return error;
  return publish(library, path);
}

} // namespace anybit::cpu
