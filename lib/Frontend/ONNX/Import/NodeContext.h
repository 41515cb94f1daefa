//===- NodeContext.h - one node while it is imported ------------*- C++ -*-===//
//
// A handler sees its node through a `NodeContext`. Getters that find something wrong report it and return a harmless
// value; the node has then failed whatever the handler does after.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_LIB_FRONTEND_ONNX_IMPORT_NODECONTEXT_H
#define ANYBIT_LIB_FRONTEND_ONNX_IMPORT_NODECONTEXT_H

#include "anybit/Frontend/ONNX/Graph.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/Twine.h"

namespace anybit::onnx {

using Dims = llvm::SmallVector<int64_t, 4>;

/// What a name of the graph stands for.
struct Entry {
  enum class State { Missing, Value, Constant, Poisoned };
  State state = State::Missing;
  mlir::Value value; ///< Null for a constant that no op has used yet.
  Tensor constant;
  ElementType type = ElementType::Undefined;
  Dims dims;
  /// Depends on an input of the graph other than the candidate; a weight does not.
  bool fromInput = false;
  /// Depends on the candidate, which is not chosen yet.
  bool fromCandidate = false;
  /// The stored codes are the codes of the file plus this: int8 with a zero point is kept as unsigned bytes.
  int64_t bias = 0;
  /// Width of the codes where it is less than that of `type` (a Clip behind a QuantizeLinear); 0: as `type` says.
  unsigned bits = 0;
  bool narrow = false;
};

class GraphImporter;

class NodeContext {
public:
  NodeContext(GraphImporter &importer, const Node &node, mlir::ImplicitLocOpBuilder &builder);

  const Node &node;
  mlir::ImplicitLocOpBuilder &b;

  // Problems.
  mlir::LogicalResult invalid(const llvm::Twine &reason);
  mlir::LogicalResult unsupported(const llvm::Twine &reason);
  /// Reports, but the node does not fail: its results are known well enough for the nodes behind it to be checked.
  void unsupportedButKnown(const llvm::Twine &reason);
  bool failed() const { return hasFailed; }

  // Inputs.
  int64_t opset() const { return node.opset; }
  unsigned inputs() const { return node.inputs.size(); }
  bool has(unsigned i) const { return i < node.inputs.size() && !node.inputs[i].empty(); }
  const Entry &entry(unsigned i) const;
  llvm::ArrayRef<int64_t> dims(unsigned i) const { return entry(i).dims; }
  int64_t rank(unsigned i) const { return entry(i).dims.size(); }
  ElementType type(unsigned i) const { return entry(i).type; }
  /// The constant that input `i` is, or null.
  const Tensor *constant(unsigned i) const;
  /// The one number that a constant input of any numeric type holds, or nothing.
  std::optional<double> scalar(unsigned i) const;
  /// Input `i` as a value of the program, in the numbers of the file. Its type has been checked to have one.
  mlir::Value value(unsigned i);
  /// As `value`, but codes as they are stored (`Entry::bias`).
  mlir::Value storedValue(unsigned i);
  /// The int32 or int64 elements of a constant input of rank 0 or 1.
  Dims ints(unsigned i);

  // Attributes.
  bool hasAttribute(llvm::StringRef name) const { return node.attributes.count(name); }
  int64_t intAttr(llvm::StringRef name, int64_t otherwise);
  float floatAttr(llvm::StringRef name, float otherwise);
  std::string stringAttr(llvm::StringRef name, llvm::StringRef otherwise);
  std::optional<Dims> intsAttr(llvm::StringRef name);
  std::optional<std::vector<float>> floatsAttr(llvm::StringRef name);
  const Tensor *tensorAttr(llvm::StringRef name);
  const Attribute *attribute(llvm::StringRef name, Attribute::Kind kind);

  // Checks; each reports.
  /// `axis` counted from the front; 0 if it is out of range.
  int64_t axis(int64_t axis, int64_t rank);
  /// All axes counted from the front, without repetition, in the given order.
  Dims axes(llvm::ArrayRef<int64_t> axes, int64_t rank);
  /// The shape that the shapes broadcast to.
  Dims broadcastDims(llvm::ArrayRef<unsigned> inputs);
  /// Number of elements, 0 after a report.
  int64_t checkedCount(llvm::ArrayRef<int64_t> dims);
  /// Whether a constant of this shape is small enough to be made.
  bool mayFold(llvm::ArrayRef<int64_t> dims, ElementType type);

  // Outputs.
  void result(unsigned i, mlir::Value value, ElementType type);
  /// A result that keeps the element type, and the way its codes are stored, of input `like`.
  void resultLike(unsigned i, mlir::Value value, unsigned like = 0);
  void resultConstant(unsigned i, Tensor tensor);
  /// Result `i` is what `name` is.
  void resultAlias(unsigned i, llvm::StringRef name);
  Entry &resultEntry(unsigned i);
  bool wants(unsigned i) const { return i < node.outputs.size() && !node.outputs[i].empty(); }

  /// Imports the nodes of a branch in place; its outputs are then known by name.
  mlir::LogicalResult importGraph(const Graph &graph);
  /// Imports a node in place; its outputs are then known by name. Fails if it is refused or reads what was.
  mlir::LogicalResult importNode(const Node &made);
  /// A name that no value of the model has.
  std::string freshName();
  /// The name of a new constant.
  std::string defineConstant(Tensor tensor);
  /// Reports the operators of a branch that is not imported which are not implemented.
  void reportUnknownOperators(const Graph &graph);
  /// A constant of the program.
  mlir::Value materialise(const Tensor &tensor, llvm::StringRef name);
  /// Number of candidates of the model, 0 if it is not switchable.
  int64_t candidates() const;

private:
  GraphImporter &importer;
  bool hasFailed = false;
};

/// The type of an element in the program, or null: f32, i64, i32, i1 or i8.
mlir::Type elementTypeOf(mlir::MLIRContext *context, ElementType type);

/// `[1, 3, 32]`.
std::string formatDims(llvm::ArrayRef<int64_t> dims);

} // namespace anybit::onnx

#endif // ANYBIT_LIB_FRONTEND_ONNX_IMPORT_NODECONTEXT_H
