#include "Header.h"

#include "anybit/Support/File.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

namespace anybit {

static std::string upper(llvm::StringRef text) {
  std::string result = text.upper();
  for (char &c : result)
    c = llvm::isAlnum(c) ? c : '_';
  return result;
}

static void writeSizes(llvm::raw_ostream &out, llvm::StringRef prefix, const cpu::Sizes &sizes) {
  out << "#define " << prefix << "_WEIGHT_BYTES " << sizes.weights << "u\n"
      << "#define " << prefix << "_CODE_BYTES " << sizes.code << "u\n"
      << "#define " << prefix << "_ARENA_BYTES " << sizes.arena << "u\n";
}

/// Names that differ in punctuation only are one macro name: later ones get underscores.
static std::string candidatePrefix(llvm::StringRef model, llvm::StringRef candidate, llvm::StringSet<> &used) {
  std::string prefix = (model + "_" + upper(candidate)).str();
  while (!used.insert(prefix).second)
    prefix += '_';
  return prefix;
}

static void writeText(llvm::raw_ostream &out, const cpu::Artifact &artifact, llvm::StringRef descriptor) {
  std::string model = upper(descriptor);
  out << "/* Made by anybit. Open with anybit_module_wrap(&" << descriptor << ", &module). */\n"
      << "#ifndef " << model << "_H\n#define " << model << "_H\n\n#include \"anybit/abi.h\"\n\n"
      << "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\nextern const anybit_module_descriptor " << descriptor
      << ";\n\n/* All candidates: every constant and every kernel once, the largest arena. */\n";
  writeSizes(out, model, artifact.total);
  out << "\n/* Each candidate alone: the constants that it reads (with the master store its slot too), the machine\n"
         "   code of its kernels, its arena. What candidates share counts in each of them. */\n";
  llvm::StringSet<> used;
  unsigned index = 0;
  for (const cpu::Sizes &candidate : artifact.candidates) {
    std::string prefix = candidatePrefix(model, candidate.name, used);
    out << "#define " << prefix << "_INDEX " << index++ << "u\n";
    writeSizes(out, prefix, candidate);
  }
  out << "\n#ifdef __cplusplus\n}\n#endif\n#endif /* " << model << "_H */\n";
}

std::string headerPath(llvm::StringRef objectPath) {
  llvm::SmallString<128> path(objectPath);
  llvm::sys::path::replace_extension(path, ".h");
  return path.str().str();
}

llvm::Error writeHeader(const cpu::Artifact &artifact, llvm::StringRef descriptor, llvm::StringRef path) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  writeText(stream, artifact, descriptor);
  return writeFile(path, llvm::ArrayRef<char>(text.data(), text.size()));
}

} // namespace anybit
