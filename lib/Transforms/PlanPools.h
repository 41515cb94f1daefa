//===- PlanPools.h - kernels and constants that are shared ------*- C++ -*-===//
#ifndef ANYBIT_LIB_TRANSFORMS_PLANPOOLS_H
#define ANYBIT_LIB_TRANSFORMS_PLANPOOLS_H

#include "Master.h"
#include "PlanBuffers.h"

#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/StringMap.h"

namespace anybit {

/// Kernel functions of a module, one per distinct body.
class KernelPool {
public:
  explicit KernelPool(mlir::ModuleOp module) : module(module) {}

  /// Where kernels are built.
  mlir::OpBuilder builder();
  /// The symbol of a kernel equal to `kernel`, which is erased if there was one.
  mlir::FlatSymbolRefAttr insert(const cpu::Kernel &kernel);

private:
  mlir::ModuleOp module;
  std::multimap<uint64_t, mlir::func::FuncOp> byHash;
};

/// Constants of a module, one per distinct content.
class ConstantPool {
public:
  explicit ConstantPool(mlir::ModuleOp module) : module(module) {}

  mlir::FlatSymbolRefAttr insert(mlir::ElementsAttr value);
  /// The master tensor of a layer, one per distinct content and shape.
  mlir::FlatSymbolRefAttr insertMaster(const Master &master, llvm::ArrayRef<int64_t> shape, llvm::StringRef layer);

private:
  mlir::ModuleOp module;
  std::multimap<uint64_t, plan::ConstantOp> byHash;
  llvm::StringMap<mlir::FlatSymbolRefAttr> masters;
};

} // namespace anybit

#endif // ANYBIT_LIB_TRANSFORMS_PLANPOOLS_H
