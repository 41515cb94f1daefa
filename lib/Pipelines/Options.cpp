#include "anybit/Pipelines/Compile.h"
#include "anybit/Target/CPU/KernelChoice.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

namespace anybit {

llvm::ArrayRef<llvm::StringRef> stageNames() {
  static constexpr llvm::StringRef names[] = {"import", "specialize", "integerize", "schedule", "kernels", "emit"};
  return names;
}

template <class Names> static llvm::Error notOneOf(llvm::StringRef text, Names &&names) {
  return llvm::createStringError("'" + text + "', expected one of " + llvm::join(names, ", "));
}

/// The value called `text`, or an error with the names that there are.
template <class Value, size_t Count>
static llvm::Expected<Value> choose(llvm::StringRef text, const std::pair<llvm::StringRef, Value> (&values)[Count]) {
  for (const auto &[name, value] : values)
    if (text == name)
      return value;
  return notOneOf(text, llvm::make_first_range(values));
}

llvm::Expected<WeightStore> parseWeightStore(llvm::StringRef text) {
  static constexpr std::pair<llvm::StringRef, WeightStore> stores[] = {{"packed", WeightStore::Packed},
                                                                       {"master", WeightStore::Master}};
  return choose(text, stores);
}

llvm::Expected<EmitKind> parseEmitKind(llvm::StringRef text) {
  static constexpr std::pair<llvm::StringRef, EmitKind> kinds[] = {{"so", EmitKind::SharedLibrary},
                                                                   {"obj", EmitKind::Object},
                                                                   {"lib", EmitKind::StaticLibrary},
                                                                   {"llvm", EmitKind::LLVM},
                                                                   {"asm", EmitKind::Assembly}};
  return choose(text, kinds);
}

llvm::Expected<std::string> parseStage(llvm::StringRef text) {
  if (llvm::is_contained(stageNames(), text))
    return text.str();
  return notOneOf(text, stageNames());
}

llvm::Expected<std::string> parseKernel(llvm::StringRef text) {
  llvm::Expected<cpu::WantedChoice> wanted = cpu::parseWantedChoice(text);
  if (!wanted)
    return llvm::createStringError("'" + text + "': " + llvm::toString(wanted.takeError()));
  return text.str();
}

} // namespace anybit
