#include "HalideObjects.h"

#include "anybit/Halide/Objects.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include "llvm/ObjCopy/ConfigManager.h"
#include "llvm/ObjCopy/ObjCopy.h"
#include "llvm/Object/ObjectFile.h"

using namespace mlir;

namespace anybit::cpu {

/// The object with its one function, which is hidden already, renamed.
static llvm::Expected<ObjectBytes> rename(const HalideObject &object, const std::string &name) {
  llvm::MemoryBufferRef buffer(StringRef(object.file.data(), object.file.size()), object.name);
  auto file = llvm::object::ObjectFile::createELFObjectFile(buffer);
  if (!file)
    return file.takeError();
  llvm::objcopy::ConfigManager config;
  config.Common.SymbolsToRename[object.name] = name;
  ObjectBytes bytes;
  llvm::raw_svector_ostream out(bytes);
  if (llvm::Error error = llvm::objcopy::executeObjcopyOnBinary(config, **file, out))
    return std::move(error);
  return bytes;
}

llvm::Expected<llvm::SmallVector<ObjectBytes>> takeHalideObjects(ModuleOp module, StringRef prefix) {
  llvm::SmallVector<ObjectBytes> objects;
  for (auto declared : module.getOps<LLVM::LLVMFuncOp>()) {
    const auto *object = llvm::find_if(
        halideObjects(), [&](const HalideObject &candidate) { return candidate.name == declared.getName(); });
    if (object == halideObjects().end())
      return llvm::createStringError("there is no object of " + declared.getName());
    auto bytes = rename(*object, (prefix + object->name).str());
    if (!bytes)
      return bytes.takeError();
    objects.push_back(std::move(*bytes));
  }
  return objects;
}

} // namespace anybit::cpu
