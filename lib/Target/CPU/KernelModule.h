//===- KernelModule.h - kernels as LLVM IR ----------------------*- C++ -*-===//
#ifndef ANYBIT_LIB_TARGET_CPU_KERNELMODULE_H
#define ANYBIT_LIB_TARGET_CPU_KERNELMODULE_H

#include "anybit/Target/CPU/Emit.h"

#include "llvm/IR/Module.h"
#include "llvm/Target/TargetMachine.h"

namespace anybit::cpu {

/// Optimized LLVM IR of some kernels: each an internal function behind a wrapper with the signature of
/// anybit_kernel_function, named prefix + symbol.
llvm::Expected<std::unique_ptr<llvm::Module>> buildKernelModule(mlir::ModuleOp kernels, const EmitOptions &options,
                                                                llvm::LLVMContext &context,
                                                                llvm::TargetMachine &machine);

/// The constants, the descriptor and the note as LLVM IR. `sizes`: of the variants, in order.
std::unique_ptr<llvm::Module> buildDescriptorModule(mlir::ModuleOp module, const EmitOptions &options,
                                                    llvm::ArrayRef<Sizes> sizes, llvm::LLVMContext &context,
                                                    llvm::TargetMachine &machine);

} // namespace anybit::cpu

#endif // ANYBIT_LIB_TARGET_CPU_KERNELMODULE_H
