#include "anybit/Target/CPU/Emit.h"
#include "HalideObjects.h"
#include "KernelModule.h"
#include "Sizes.h"
#include "anybit/Dialect/Plan/IR/Plan.h"
#include "anybit/Target/Blobs.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"

#include "llvm/IR/LegacyPassManager.h"
#include "llvm/Support/Parallel.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"

using namespace mlir;

namespace anybit::cpu {
namespace {

/// Kernels are compiled in this many parts, each on a thread of its own. A fixed number: the bytes of an artifact do not
/// depend on the machine.
constexpr unsigned parts = 4;

/// A module with every `parts`-th kernel, from `first` on, and what these call.
OwningOpRef<ModuleOp> kernelPart(ModuleOp module, unsigned first) {
  OwningOpRef<ModuleOp> part = ModuleOp::create(module.getLoc());
  OpBuilder builder = OpBuilder::atBlockEnd(part->getBody());
  unsigned index = 0;
  for (auto function : module.getOps<func::FuncOp>())
    if (index++ % parts == first)
      builder.clone(*function);
  builder.setInsertionPointToStart(part->getBody());
  for (auto declared : module.getOps<LLVM::LLVMFuncOp>())
    if (!SymbolTable::symbolKnownUseEmpty(declared.getNameAttr(), *part))
      builder.clone(*declared);
  return part;
}

llvm::Error emitFile(llvm::Module &module, llvm::TargetMachine &machine, llvm::raw_pwrite_stream &out,
                     llvm::CodeGenFileType type) {
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, out, nullptr, type))
    return llvm::createStringError("the target emits no objects");
  passes.run(module);
  return llvm::Error::success();
}

/// Empties the constants of `module`, whose bytes are in an LLVM module by now.
void dropConstants(ModuleOp module) {
  auto type = RankedTensorType::get({0}, IntegerType::get(module.getContext(), 8));
  auto empty = DenseElementsAttr::get(type, ArrayRef<int8_t>());
  for (auto constant : module.getOps<plan::ConstantOp>())
    constant.setValueAttr(empty);
  releaseUnusedBlobs(module);
}

void registerTranslations(ModuleOp module) {
  registerBuiltinDialectTranslation(*module.getContext());
  registerLLVMDialectTranslation(*module.getContext());
}

} // namespace

llvm::Expected<Artifact> emitObjects(ModuleOp module, const EmitOptions &options) {
  registerTranslations(module);
  Artifact artifact;
  artifact.objects.resize(parts + 1);
  std::vector<OwningOpRef<ModuleOp>> modules;
  for (unsigned i = 0; i < parts; ++i)
    modules.push_back(kernelPart(module, i));
  std::vector<std::string> errors(parts);
  llvm::parallelFor(0, parts, [&](size_t i) {
    auto compile = [&]() -> llvm::Error {
      auto machine = createTargetMachine(options.target, options.optimization);
      if (!machine)
        return machine.takeError();
      llvm::LLVMContext context;
      auto ir = buildKernelModule(*modules[i], options, context, **machine);
      if (!ir)
        return ir.takeError();
      llvm::raw_svector_ostream out(artifact.objects[i]);
      return emitFile(**ir, **machine, out, llvm::CodeGenFileType::ObjectFile);
    };
    if (llvm::Error error = compile())
      errors[i] = llvm::toString(std::move(error));
  });
  modules.clear();
  llvm::StringMap<uint64_t> codeBytes;
  for (unsigned i = 0; i < parts; ++i) {
    if (!errors[i].empty())
      return llvm::createStringError(errors[i]);
    if (llvm::Error error = addCodeBytes(artifact.objects[i], codeBytes))
      return error;
  }
  auto halide = takeHalideObjects(module, options.prefix);
  if (!halide)
    return halide.takeError();
  for (const ObjectBytes &object : *halide)
    if (llvm::Error error = addCodeBytes(object, codeBytes))
      return error;
  measureCandidates(module, options.prefix, codeBytes, artifact);
  auto machine = createTargetMachine(options.target, 0);
  if (!machine)
    return machine.takeError();
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> descriptor =
      buildDescriptorModule(module, options, artifact.candidates, context, **machine);
  if (!options.sharesConstants)
    dropConstants(module);
  llvm::raw_svector_ostream out(artifact.objects[parts]);
  if (llvm::Error error = emitFile(*descriptor, **machine, out, llvm::CodeGenFileType::ObjectFile))
    return error;
  llvm::append_range(artifact.objects, std::move(*halide));
  return artifact;
}

llvm::Error emitText(ModuleOp module, const EmitOptions &options, bool assembly, llvm::raw_ostream &out) {
  registerTranslations(module);
  auto machine = createTargetMachine(options.target, options.optimization);
  if (!machine)
    return machine.takeError();
  for (unsigned i = 0; i < parts; ++i) {
    OwningOpRef<ModuleOp> part = kernelPart(module, i);
    llvm::LLVMContext context;
    auto ir = buildKernelModule(*part, options, context, **machine);
    if (!ir)
      return ir.takeError();
    if (!assembly) {
      (*ir)->print(out, nullptr);
      continue;
    }
    llvm::SmallVector<char, 0> text;
    llvm::raw_svector_ostream stream(text);
    if (llvm::Error error = emitFile(**ir, **machine, stream, llvm::CodeGenFileType::AssemblyFile))
      return error;
    out << stream.str();
  }
  return llvm::Error::success();
}

} // namespace anybit::cpu
