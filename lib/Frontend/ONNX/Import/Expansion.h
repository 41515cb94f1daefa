//===- Expansion.h - an operator written as other operators -----*- C++ -*-===//
//
// Operators of integers (QLinearConv, MatMulInteger, …) are the standard ones between quantizers. Written so, they are
// checked, folded and grouped (numerics G1 to G6) like a file that spells them out.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_LIB_FRONTEND_ONNX_IMPORT_EXPANSION_H
#define ANYBIT_LIB_FRONTEND_ONNX_IMPORT_EXPANSION_H

#include "NodeContext.h"

namespace anybit::onnx {

/// A scalar constant.
Tensor scalarTensor(ElementType type, double value);

/// Builds the nodes that stand for one node and imports each at once. A node that fails has reported so under the name
/// of the node that it stands for; what is built on it is then skipped.
class Expansion {
public:
  using Attributes = llvm::StringMap<Attribute>;
  /// Version of the standard operators that an expansion is made of, whatever the model imports.
  static constexpr int64_t opset = 21;

  explicit Expansion(NodeContext &ctx) : ctx(ctx) {}

  /// Name of input `i`, "" if it is absent.
  std::string input(unsigned i) const { return ctx.has(i) ? ctx.node.inputs[i] : ""; }
  /// Name of a new constant.
  std::string constant(Tensor tensor);
  std::string number(double value) { return constant(scalarTensor(ElementType::Float, value)); }
  /// Name of the result of a new node, which is `result` if that is not empty.
  std::string op(llvm::StringRef name, std::vector<std::string> inputs, Attributes attributes = {},
                 llvm::StringRef result = "", llvm::StringRef domain = "");
  /// The reals of codes.
  std::string dequantize(const std::string &codes, const std::string &scale, const std::string &zero, int64_t axis = 1);
  std::string cast(const std::string &x, ElementType type, llvm::StringRef result = "");

  /// The attributes of the node, without `dropped`.
  Attributes attributes(llvm::ArrayRef<llvm::StringRef> dropped = {}) const;
  static Attribute integer(int64_t value);

  /// Name of result `i`, "" if nothing reads it.
  std::string result(unsigned i = 0) const { return ctx.wants(i) ? ctx.node.outputs[i] : ""; }
  /// Whether every node so far was imported.
  mlir::LogicalResult finish() const { return mlir::failure(failed); }

private:
  NodeContext &ctx;
  bool failed = false;
};

} // namespace anybit::onnx

#endif // ANYBIT_LIB_FRONTEND_ONNX_IMPORT_EXPANSION_H
