//===- GraphImporter.h - the names and the body of a function ---*- C++ -*-===//
#ifndef ANYBIT_LIB_FRONTEND_ONNX_IMPORT_GRAPHIMPORTER_H
#define ANYBIT_LIB_FRONTEND_ONNX_IMPORT_GRAPHIMPORTER_H

#include "NodeContext.h"
#include "OpTable.h"

namespace anybit::onnx {

/// Imports nodes in order at the insertion point of `builder`. Problems are collected; what a failed node would have
/// made is poisoned, so that nothing is reported twice: a node that reads it is reported only if its operator is not
/// implemented.
class GraphImporter {
public:
  GraphImporter(mlir::OpBuilder &builder, const Model &model, std::vector<Problem> &problems)
      : builder(builder), model(model), problems(problems) {}

  mlir::LogicalResult importGraph(const Graph &graph);
  /// The value that a name stands for, in the numbers of the file. Null for poisoned names and for types that the
  /// program has not.
  mlir::Value valueOf(llvm::StringRef name);
  /// As `valueOf`, with codes as they are stored.
  mlir::Value storedValueOf(llvm::StringRef name);
  mlir::Value materialise(const Tensor &tensor, llvm::StringRef name);

  mlir::OpBuilder &builder;
  const Model &model;
  std::vector<Problem> &problems;
  llvm::StringMap<Entry> entries;

private:
  void importNode(const Node &node);
  bool checkInputs(NodeContext &context, const OpEntry &op);
  bool checkInput(NodeContext &context, const OpEntry &op, unsigned i);
  mlir::LogicalResult runHandlers(NodeContext &context, const OpEntry &op);
  void poison(const Node &node);
  mlir::Location locationOf(llvm::StringRef name);
};

} // namespace anybit::onnx

#endif // ANYBIT_LIB_FRONTEND_ONNX_IMPORT_GRAPHIMPORTER_H
