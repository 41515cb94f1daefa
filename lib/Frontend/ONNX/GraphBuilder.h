//===- GraphBuilder.h - GraphProto to Graph ---------------------*- C++ -*-===//
//
// Converts graphs with everything inlined. Values get names that are unique in the whole model, subgraphs included, so
// that later stages may move nodes between graphs; the values of the main graph keep theirs.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_LIB_FRONTEND_ONNX_GRAPHBUILDER_H
#define ANYBIT_LIB_FRONTEND_ONNX_GRAPHBUILDER_H

#include "FunctionTable.h"
#include "TensorReader.h"

#include "llvm/ADT/DenseMap.h"

namespace anybit::onnx {

/// Hands out names that were not handed out before.
class NamePool {
public:
  /// `wanted`, or `wanted` with a number behind it.
  std::string make(llvm::StringRef wanted);

private:
  llvm::StringMap<unsigned> used;
};

class GraphBuilder {
public:
  GraphBuilder(const Limits &limits, const FunctionTable &functions, TensorReader &tensors, Diagnostics &diagnostics)
      : limits(limits), functions(functions), tensors(tensors), diagnostics(diagnostics) {}

  /// Converts the main graph. Initializers are moved out of `proto` one by one to bound the memory.
  void build(::onnx::GraphProto &proto, const OpsetMap &opsets, Graph &graph);

private:
  using Bindings = llvm::StringMap<Attribute>;

  /// What names mean in one graph or function body.
  struct Scope {
    const Scope *parent = nullptr; ///< The enclosing graph; none for a function body, which sees nothing outside.
    const OpsetMap *opsets = nullptr;
    const Bindings *bindings = nullptr; ///< Attributes of the call; null outside functions.
    std::string prefix;                 ///< Of everything that stems from a call.
    unsigned graphDepth = 0;
    llvm::StringMap<std::string> names; ///< Name in the file to name in the model.
  };

  void buildSubgraph(const ::onnx::GraphProto &proto, Scope &scope, Graph &graph);
  void finishGraph(const ::onnx::GraphProto &proto, const Scope &scope, Graph &graph);
  void declareValues(const ::onnx::GraphProto &proto, Scope &scope);
  void declare(llvm::StringRef name, const llvm::Twine &what, Scope &scope);
  void declareOutputs(const ::onnx::NodeProto &node, Scope &scope);
  void readInitializer(const ::onnx::TensorProto &proto, const Scope &scope, Graph &graph);
  void readInputs(const ::onnx::GraphProto &proto, const Scope &scope, Graph &graph);
  void readOutputs(const ::onnx::GraphProto &proto, const Scope &scope, Graph &graph);
  bool readType(const ::onnx::ValueInfoProto &proto, const llvm::Twine &owner, ValueInfo &info);

  void addNode(const ::onnx::NodeProto &proto, const Scope &scope, Graph &graph);
  bool readNames(const ::onnx::NodeProto &proto, const Scope &scope, Node &node);
  bool readOperator(const ::onnx::NodeProto &proto, const Scope &scope, const Function *function, Node &node);
  bool readAttributes(const ::onnx::NodeProto &proto, const Scope &scope, Node &node);
  bool checkName(llvm::StringRef name, const llvm::Twine &owner);
  bool spend(int64_t bytes);
  const std::string *resolve(llvm::StringRef name, const Scope &scope) const;

  // Attributes.cpp
  enum class Found { Yes, Absent, Wrong };
  Found readAttribute(const ::onnx::AttributeProto &proto, const Scope &scope, llvm::StringRef owner,
                      Attribute &attribute);
  Found readReference(const ::onnx::AttributeProto &proto, const Scope &scope, llvm::StringRef owner,
                      Attribute &attribute);
  bool readPayload(const ::onnx::AttributeProto &proto, const Scope &scope, llvm::StringRef owner,
                   Attribute &attribute);
  bool readSubgraph(const ::onnx::GraphProto &proto, const Scope &scope, llvm::StringRef owner, Attribute &attribute);
  bool readAttributeTensor(const ::onnx::TensorProto &proto, const Scope &scope, llvm::StringRef owner, Tensor &tensor);

  // Inliner.cpp
  void inlineCall(const Function &function, const Node &call, const Scope &scope, Graph &graph);
  bool bindAttributes(const Function &function, const Node &call, Bindings &bindings);
  void bindOutputs(const Function &function, const Node &call, Scope &inner, Graph &graph);
  void finishConventionCall(const Function &function, Node &node);

  const Limits &limits;
  const FunctionTable &functions;
  TensorReader &tensors;
  Diagnostics &diagnostics;
  NamePool values, nodes;
  llvm::DenseMap<const ::onnx::TensorProto *, Tensor> functionTensors; ///< Read once, whatever the number of calls.
  int64_t spentBytes = 0;
  bool stopped = false; ///< A limit on the size of the result was hit; going on would only repeat that.
};

/// "node 'conv1' (Conv)".
std::string describe(const Node &node);

} // namespace anybit::onnx

#endif // ANYBIT_LIB_FRONTEND_ONNX_GRAPHBUILDER_H
