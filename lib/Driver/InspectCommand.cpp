#include "Inspect.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace anybit;
using namespace anybit::driver;
using namespace llvm;

/// Whether the file at `path` is an artifact rather than a model: artifacts are ELF files.
static Expected<bool> isArtifact(const std::string &path) {
  constexpr size_t headBytes = 16;
  Expected<sys::fs::file_t> file = sys::fs::openNativeFileForRead(path);
  if (!file)
    return createStringError("cannot open " + path + ": " + toString(file.takeError()));
  char head[headBytes] = {};
  Expected<size_t> count = sys::fs::readNativeFile(*file, head);
  sys::fs::closeFile(*file);
  if (!count)
    return createStringError("cannot read " + path + ": " + toString(count.takeError()));
  return StringRef(head, *count).starts_with("\177ELF");
}

int anybit::driver::inspectCommand(CommandLine &line) {
  std::string path = line.onlyInput("artifact or model");
  bool json = line.has(OPT_json);
  if (!line.text(OPT_json).empty())
    line.problem("inspect --json prints to standard output and takes no value, got '" + line.text(OPT_json) + "'");
  if (line.report())
    return Invalid;
  Expected<bool> artifact = isArtifact(path);
  if (!artifact)
    return fail(artifact.takeError());
  return *artifact ? inspectArtifact(path, json) : inspectModel(path, json);
}
