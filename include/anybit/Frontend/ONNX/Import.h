//===- Import.h - a checked ONNX model becomes MLIR -------------*- C++ -*-===//
//
// The `import` stage: one function `@main` of static ranked tensors in the layouts of ONNX, with everything folded that
// depends on no graph input.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_FRONTEND_ONNX_IMPORT_H
#define ANYBIT_FRONTEND_ONNX_IMPORT_H

#include "anybit/Frontend/ONNX/Graph.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>
#include <vector>

namespace anybit::onnx {

struct ImportOptions {
  /// Sizes of free dimensions of graph inputs, by the name of the dimension or by `INPUT:INDEX`. A free first dimension
  /// that is not listed is 1.
  llvm::StringMap<int64_t> dims;
  /// The most bytes that all constants which folding makes may have together.
  int64_t foldedBytes = int64_t(8) << 30;
  /// Name of the model in the artifact; empty: the name of the graph.
  std::string name;
};

/// Loads the dialects that an imported module uses.
void loadImportDialects(mlir::MLIRContext &context);

/// The module of `model`, verified. On problems (all of them are appended, in graph order) the module is null.
mlir::OwningOpRef<mlir::ModuleOp> importModel(mlir::MLIRContext &context, const Model &model,
                                              const ImportOptions &options, std::vector<Problem> &problems);

/// An operator that the importer reads.
struct SupportedOp {
  llvm::StringRef op;
  llvm::StringRef domain; ///< "" is the ONNX domain.
  int64_t firstOpset = 1; ///< Oldest version of the operator whose semantics are implemented.
  int64_t lastOpset = 1;  ///< Newest version of the operator; it holds for all later opsets.
  llvm::StringRef notes;  ///< What is refused, empty if nothing is.
};

/// All operators, sorted by domain and name.
llvm::ArrayRef<SupportedOp> supportedOps();

} // namespace anybit::onnx

#endif // ANYBIT_FRONTEND_ONNX_IMPORT_H
