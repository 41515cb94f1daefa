#include "Sizes.h"

#include "anybit/Dialect/Plan/IR/Plan.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/SymbolTable.h"

#include "llvm/Object/ELFObjectFile.h"

using namespace mlir;

namespace anybit::cpu {

llvm::Error addCodeBytes(ArrayRef<char> object, llvm::StringMap<uint64_t> &sizes) {
  llvm::MemoryBufferRef buffer(StringRef(object.data(), object.size()), "kernels");
  auto file = llvm::object::ObjectFile::createELFObjectFile(buffer);
  if (!file)
    return file.takeError();
  for (const llvm::object::ELFSymbolRef symbol : cast<llvm::object::ELFObjectFileBase>(**file).symbols()) {
    auto name = symbol.getName();
    if (!name)
      return name.takeError();
    // The wrapper `kernel`, its `kernel.body`, and clones like `kernel.body.specialized.1`.
    if (symbol.getELFType() == llvm::ELF::STT_FUNC)
      sizes[name->split(".body").first] += symbol.getSize();
  }
  return llvm::Error::success();
}

static uint64_t sum(const llvm::StringMap<uint64_t> &parts) {
  uint64_t total = 0;
  for (const auto &part : parts)
    total += part.second;
  return total;
}

static uint64_t bytesOf(plan::ConstantOp constant) {
  auto type = cast<ShapedType>(constant.getValue().getType());
  return uint64_t(type.getNumElements()) * std::max(1u, type.getElementTypeBitWidth() / 8);
}

/// Machine code of a kernel and of what it calls, by symbol.
static void addCode(func::FuncOp kernel, StringRef prefix, const llvm::StringMap<uint64_t> &codeBytes,
                    llvm::StringMap<uint64_t> &code) {
  auto add = [&](StringRef symbol) { code[symbol] = codeBytes.lookup((prefix + symbol).str()); };
  add(kernel.getName());
  kernel.walk([&](LLVM::CallOp call) {
    if (call.getCallee())
      add(*call.getCallee());
  });
}

void measureCandidates(ModuleOp module, StringRef prefix, const llvm::StringMap<uint64_t> &codeBytes,
                       Artifact &artifact) {
  SymbolTable symbols(module);
  for (auto variant : module.getOps<plan::VariantOp>()) {
    llvm::StringMap<uint64_t> weights, code;
    for (auto dispatch : variant.getBody().front().getOps<plan::DispatchOp>()) {
      addCode(symbols.lookup<func::FuncOp>(dispatch.getKernel()), prefix, codeBytes, code);
      for (auto argument : dispatch.getArguments().getAsRange<plan::ArgumentAttr>())
        if (argument.getSymbol())
          weights[argument.getSymbol().getValue()] =
              bytesOf(symbols.lookup<plan::ConstantOp>(argument.getSymbol().getValue()));
    }
    artifact.candidates.push_back({variant.getSymName().str(), sum(weights) + variant.getSlotBytes(), sum(code),
                                   uint64_t(variant.getArenaBytes())});
    artifact.total.arena = std::max(artifact.total.arena, artifact.candidates.back().arena);
  }
  for (auto constant : module.getOps<plan::ConstantOp>())
    artifact.total.weights += bytesOf(constant);
  llvm::StringMap<uint64_t> code;
  for (auto function : module.getOps<func::FuncOp>())
    addCode(function, prefix, codeBytes, code);
  artifact.total.code = sum(code);
}

} // namespace anybit::cpu
