//===- GraphImporter.h - the names and the body of a function ---*- C++ -*-===//
#ifndef ANYBIT_LIB_FRONTEND_ONNX_IMPORT_GRAPHIMPORTER_H
#define ANYBIT_LIB_FRONTEND_ONNX_IMPORT_GRAPHIMPORTER_H

#include "NodeContext.h"
#include "OpTable.h"

#include "llvm/ADT/StringSet.h"

namespace anybit::onnx {

/// Imports nodes in order at the insertion point of `builder`. Problems are collected; what a failed node would have
/// made is poisoned, so that nothing is reported twice: a node that reads it is reported only if its operator is not
/// implemented.
class GraphImporter {
public:
  GraphImporter(mlir::OpBuilder &builder, const Model &model, int64_t foldedLimit, std::vector<Problem> &problems)
      : builder(builder), model(model), problems(problems), foldedLimit(foldedLimit) {}

  mlir::LogicalResult importGraph(const Graph &graph);
  /// Imports one node, or reports and poisons its outputs.
  void importNode(const Node &node);
  /// Reports the nodes of `graph`, and of the branches in it, whose operators are not implemented.
  void reportUnknownOperators(const Graph &graph);
  void defineConstant(llvm::StringRef name, Tensor tensor);
  /// A name that no value of the model has.
  std::string freshName(llvm::StringRef stem);
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
  /// A node was refused that depends on the candidate: it may be supported once that is chosen.
  bool needsCandidate = false;
  /// Bytes of the constants that folding has made, and what they may come to.
  int64_t foldedBytes = 0;
  const int64_t foldedLimit;

private:
  void reserveNames(const Graph &graph);
  bool checkInputs(NodeContext &context, const OpEntry &op);
  bool checkInput(NodeContext &context, const OpEntry &op, unsigned i);
  mlir::LogicalResult runHandlers(NodeContext &context, const OpEntry &op);
  void poison(const Node &node);
  mlir::Location locationOf(llvm::StringRef name);

  /// Names of the model's values and of those made here; empty until the first is made.
  llvm::StringSet<> names;
  uint64_t madeNames = 0;
};

} // namespace anybit::onnx

#endif // ANYBIT_LIB_FRONTEND_ONNX_IMPORT_GRAPHIMPORTER_H
