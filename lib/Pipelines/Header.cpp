#include "Header.h"

#include "anybit/Transforms/Passes.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace anybit {

static std::string upper(llvm::StringRef text) {
  std::string result = text.upper();
  for (char &c : result)
    c = llvm::isAlnum(c) ? c : '_';
  return result;
}

/// Bytes of the constants that a variant reads, each once.
static uint64_t weightBytes(plan::VariantOp variant, SymbolTable &symbols) {
  llvm::StringMap<uint64_t> parts;
  for (auto dispatch : variant.getBody().front().getOps<plan::DispatchOp>())
    for (auto argument : dispatch.getArguments().getAsRange<plan::ArgumentAttr>())
      if (argument.getSymbol()) {
        auto constant = symbols.lookup<plan::ConstantOp>(argument.getSymbol().getValue());
        auto type = cast<ShapedType>(constant.getValue().getType());
        parts[constant.getSymName()] = type.getNumElements() * std::max(1u, type.getElementTypeBitWidth() / 8);
      }
  uint64_t total = 0;
  for (const auto &part : parts)
    total += part.second;
  return total;
}

llvm::Error writeHeader(ModuleOp module, llvm::StringRef descriptor, llvm::StringRef objectPath) {
  SymbolTable symbols(module);
  llvm::SmallString<128> path(objectPath);
  llvm::sys::path::replace_extension(path, ".h");
  std::string guard = upper(descriptor) + "_H";
  return llvm::writeToOutput(path, [&](llvm::raw_ostream &out) {
    out << "/* Made by anybit. Open with anybit_module_wrap(&" << descriptor << ", &module). */\n"
        << "#ifndef " << guard << "\n#define " << guard << "\n\n#include \"anybit/abi.h\"\n\n"
        << "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\nextern const anybit_module_descriptor " << descriptor << ";\n\n";
    unsigned index = 0;
    for (auto variant : module.getOps<plan::VariantOp>()) {
      std::string name = upper(descriptor) + "_" + upper(variant.getSymName());
      out << "#define " << name << "_INDEX " << index++ << "u\n"
          << "#define " << name << "_WEIGHT_BYTES " << weightBytes(variant, symbols) << "u\n"
          << "#define " << name << "_ARENA_BYTES " << variant.getArenaBytes() << "u\n";
    }
    out << "\n#ifdef __cplusplus\n}\n#endif\n#endif /* " << guard << " */\n";
    return llvm::Error::success();
  });
}

} // namespace anybit
