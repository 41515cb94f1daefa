//===- FunctionTable.h - the local functions of a model ---------*- C++ -*-===//
#ifndef ANYBIT_LIB_FRONTEND_ONNX_FUNCTIONTABLE_H
#define ANYBIT_LIB_FRONTEND_ONNX_FUNCTIONTABLE_H

#include "Diagnostics.h"
#include "anybit/Frontend/ONNX/Convention.h"
#include "anybit/Frontend/ONNX/Loader.h"

#include "onnx-ml.pb.h"

namespace anybit::onnx {

/// Version per normalised domain.
using OpsetMap = llvm::StringMap<int64_t>;
using OpsetImports = ::google::protobuf::RepeatedPtrField<::onnx::OperatorSetIdProto>;

/// The one spelling of a domain that has several: "ai.onnx" is "", the QONNX ones are "qonnx".
llvm::StringRef normalizeDomain(llvm::StringRef domain);

/// Reads the opset imports of `owner` ("the model", "function 'f'") and checks the version of the ONNX domain.
OpsetMap readOpsets(const OpsetImports &imports, const llvm::Twine &owner, Diagnostics &diagnostics);

struct Function {
  const ::onnx::FunctionProto *proto = nullptr;
  const ConventionFunction *convention = nullptr; ///< Set if the body is canonical; then it is not inlined.
  OpsetMap opsets;
  int64_t expandedNodes = 0; ///< After inlining what it calls; clamped just above the limit.
  unsigned depth = 0;        ///< Longest chain of calls from here, itself included.
};

/// All functions of a file, each checked by itself and against recursion.
class FunctionTable {
public:
  bool build(const ::onnx::ModelProto &model, const Limits &limits, Diagnostics &diagnostics);

  /// The function that `node` calls; null if it calls none.
  const Function *lookup(const ::onnx::NodeProto &node) const;

  /// Nodes of `graph` and its subgraphs after inlining; a call counts too.
  int64_t countNodes(const ::onnx::GraphProto &graph) const;

private:
  bool resolveCalls(const Limits &limits, Diagnostics &diagnostics);

  std::vector<Function> functions;
  llvm::StringMap<unsigned> index;
};

} // namespace anybit::onnx

#endif // ANYBIT_LIB_FRONTEND_ONNX_FUNCTIONTABLE_H
