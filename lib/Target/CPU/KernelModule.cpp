#include "KernelModule.h"
#include "MathExpansion.h"

#include "mlir/Conversion/ConvertToLLVM/ToLLVMPass.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Passes/PassBuilder.h"

using namespace mlir;

namespace anybit::cpu {
namespace {

struct ExpandMath : PassWrapper<ExpandMath, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ExpandMath)

  void runOnOperation() override {
    if (failed(expandMath(getOperation())))
      signalPassFailure();
  }
};

LogicalResult lowerToLLVM(ModuleOp module) {
  PassManager pm(module.getContext());
  pm.enableVerifier(false); // of every pass: the result is verified as LLVM IR
  pm.addNestedPass<func::FuncOp>(std::make_unique<ExpandMath>());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createLoopInvariantCodeMotionPass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createConvertToLLVMPass()); // arith, math, cf and func in one walk
  pm.addPass(createReconcileUnrealizedCastsPass());
  return pm.run(module);
}

/// void name(void *const *arguments, int64_t begin, int64_t end, void *scratch) { body(arguments[0], …); }
void addWrapper(llvm::Function &body, const std::string &name) {
  llvm::Module &module = *body.getParent();
  llvm::LLVMContext &context = module.getContext();
  llvm::Type *pointer = llvm::PointerType::get(context, 0), *i64 = llvm::Type::getInt64Ty(context);
  auto *type = llvm::FunctionType::get(llvm::Type::getVoidTy(context), {pointer, i64, i64, pointer}, false);
  auto *wrapper = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, name, module);
  wrapper->setVisibility(llvm::GlobalValue::HiddenVisibility);
  llvm::IRBuilder<> builder(llvm::BasicBlock::Create(context, "", wrapper));
  llvm::SmallVector<llvm::Value *> arguments;
  for (unsigned i = 0; i + 3 < body.arg_size(); ++i) {
    llvm::Value *slot = builder.CreateConstInBoundsGEP1_64(pointer, wrapper->getArg(0), i);
    arguments.push_back(builder.CreateLoad(pointer, slot));
  }
  for (unsigned i = 1; i < 4; ++i)
    arguments.push_back(wrapper->getArg(i));
  builder.CreateCall(&body, arguments);
  builder.CreateRetVoid();
}

void setAttributes(llvm::Module &module, const EmitOptions &options) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", options.target.cpu);
    function.addFnAttr("target-features", options.target.features);
    function.addFnAttr("prefer-vector-width", std::to_string(options.target.vectorBits));
    function.addFnAttr("min-legal-vector-width", std::to_string(options.target.vectorBits));
    function.addFnAttr(llvm::Attribute::NoUnwind);
    // A loop over the channels of a position is short: as `rep movsb` it took 1.4 times as long (bench/stencils.py).
    function.addFnAttr("no-builtin-memcpy");
    function.addFnAttr("no-builtin-memset");
  }
}

void optimize(llvm::Module &module, llvm::TargetMachine &machine, unsigned level) {
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = level > 1;
  tuning.SLPVectorization = false; // kernels come with their vectors
  tuning.LoopUnrolling = false;    // and with their register tiles: unrolled, a tile spills
  llvm::PassBuilder builder(&machine, tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graphs;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graphs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graphs, modules);
  static const llvm::OptimizationLevel levels[] = {llvm::OptimizationLevel::O0, llvm::OptimizationLevel::O1,
                                                   llvm::OptimizationLevel::O2, llvm::OptimizationLevel::O3};
  llvm::ModulePassManager passes =
      level == 0 ? builder.buildO0DefaultPipeline(levels[0]) : builder.buildPerModuleDefaultPipeline(levels[level]);
  passes.run(module, modules);
}

/// Kernels `prefix + name` behind wrappers; what they call is named so too, as it is part of the artifact.
void nameFunctions(llvm::Module &module, const std::string &prefix) {
  llvm::SmallVector<llvm::Function *> bodies;
  for (llvm::Function &function : module)
    if (!function.isDeclaration()) {
      bodies.push_back(&function);
    } else if (!function.isIntrinsic()) {
      function.setName(prefix + function.getName());
      function.setVisibility(llvm::GlobalValue::HiddenVisibility);
    }
  for (llvm::Function *body : bodies) {
    std::string name = prefix + body->getName().str();
    body->setName(name + ".body");
    body->setLinkage(llvm::GlobalValue::InternalLinkage);
    body->addFnAttr(llvm::Attribute::NoInline); // keeps `noalias` of the arguments in plain sight
    addWrapper(*body, name);
  }
}

} // namespace

llvm::Expected<std::unique_ptr<llvm::Module>> buildKernelModule(ModuleOp kernels, const EmitOptions &options,
                                                                llvm::LLVMContext &context,
                                                                llvm::TargetMachine &machine) {
  if (failed(lowerToLLVM(kernels)))
    return llvm::createStringError("kernels do not lower to llvm");
  std::unique_ptr<llvm::Module> module = translateModuleToLLVMIR(kernels, context);
  if (!module)
    return llvm::createStringError("kernels do not translate to llvm ir");
  module->setTargetTriple(machine.getTargetTriple());
  module->setDataLayout(machine.createDataLayout());
  nameFunctions(*module, options.prefix);
  setAttributes(*module, options);
  optimize(*module, machine, options.optimization);
  if (llvm::verifyModule(*module))
    return llvm::createStringError("kernels are not valid llvm ir");
  return module;
}

} // namespace anybit::cpu
