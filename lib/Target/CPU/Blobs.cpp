#include "anybit/Target/Blobs.h"

#include "mlir/IR/DialectResourceBlobManager.h"

#include "llvm/ADT/StringSet.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

using namespace mlir;

namespace anybit {

void releaseUnusedBlobs(ModuleOp module) {
  llvm::StringSet<> used;
  module.walk([&](Operation *op) {
    op->getAttrDictionary().walk([&](DenseResourceElementsAttr constant) { used.insert(constant.getRawHandle().getKey()); });
  });
  auto &manager = DenseResourceElementsHandle::getManagerInterface(module.getContext()).getBlobManager();
  std::vector<std::string> unused;
  manager.getBlobMap([&](const llvm::StringMap<DialectResourceBlobManager::BlobEntry> &blobs) {
    for (const auto &entry : blobs)
      if (entry.second.getBlob() && !used.contains(entry.first()))
        unused.push_back(entry.first().str());
  });
  for (const std::string &name : unused)
    manager.update(name, AsmResourceBlob());
#ifdef __GLIBC__
  malloc_trim(0); // the buffers of the stage lie between what lives on
#endif
}

} // namespace anybit
