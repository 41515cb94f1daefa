#include "Expansion.h"

#include "Tensors.h"

using namespace anybit::onnx;
using llvm::StringRef;

Tensor anybit::onnx::scalarTensor(ElementType type, double value) {
  return tensorOf(type, {}, std::vector<double>{value});
}

std::string Expansion::constant(Tensor tensor) { return ctx.defineConstant(std::move(tensor)); }

std::string Expansion::op(StringRef name, std::vector<std::string> inputs, Attributes attributes, StringRef result,
                          StringRef domain) {
  Node made;
  made.name = ctx.node.name;
  made.op = name.str();
  made.domain = domain.str();
  made.opset = domain.empty() ? opset : 1;
  if (made.op == ctx.node.op && made.domain == ctx.node.domain) {
    made.fileOp = ctx.node.fileOp;
    made.fileDomain = ctx.node.fileDomain;
  }
  made.inputs = std::move(inputs);
  while (!made.inputs.empty() && made.inputs.back().empty())
    made.inputs.pop_back();
  std::string output = result.empty() ? ctx.freshName() : result.str();
  made.outputs = {output};
  made.attributes = std::move(attributes);
  failed |= mlir::failed(ctx.importNode(made));
  return output;
}

std::string Expansion::dequantize(const std::string &codes, const std::string &scale, const std::string &zero,
                                  int64_t axis) {
  return op("DequantizeLinear", {codes, scale, zero}, {{"axis", integer(axis)}});
}

std::string Expansion::cast(const std::string &x, ElementType type, StringRef result) {
  return op("Cast", {x}, {{"to", integer(int64_t(type))}}, result);
}

Expansion::Attributes Expansion::attributes(llvm::ArrayRef<StringRef> dropped) const {
  Attributes kept = ctx.node.attributes;
  for (StringRef name : dropped)
    kept.erase(name);
  return kept;
}

Attribute Expansion::integer(int64_t value) {
  Attribute attribute;
  attribute.i = value;
  return attribute;
}
