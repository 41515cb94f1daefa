//===- UpgradeRules.cpp - rules of one node or a few ----------------------===//
#include "Upgrade.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>

using namespace llvm;

namespace anybit::quantize {

using onnx::Attribute;
using onnx::ElementType;
using onnx::Node;
using onnx::Problem;

void Upgrader::clip(Node &node) {
  node.inputs.resize(1);
  for (StringRef bound : {"min", "max"}) {
    auto found = node.attributes.find(bound);
    node.inputs.push_back(found == node.attributes.end() ? std::string() : scalar(node, bound, found->second.f));
    node.attributes.erase(bound);
  }
}

void Upgrader::slice(Node &node) {
  attributeToInput(node, "starts");
  attributeToInput(node, "ends");
  attributeToInput(node, "axes");
}

/// Before 13 the input was a matrix of its first `axis` dimensions by the others.
void Upgrader::softmax(Node &node) {
  int64_t axis = attributeInt(node, "axis", 1);
  std::optional<Dims> dims = facts.of(node.inputs[0]).dims;
  Attribute last;
  last.i = -1;
  node.attributes["axis"] = last;
  if (axis == -1 || (dims && axis == int64_t(dims->size()) - 1))
    return;
  std::string shape = precede(node, "Shape", {node.inputs[0]}, "shape");
  std::string matrix = precede(node, "Flatten", {node.inputs[0]}, "matrix");
  before.back().attributes["axis"].i = axis;
  Node rows = node;
  rows.inputs[0] = matrix;
  rows.outputs[0] = fresh(node.outputs[0] + "/rows");
  node = makeNode(node.name + "/reshape", "Reshape", {rows.outputs[0], shape}, node.outputs[0]);
  before.push_back(std::move(rows));
}

/// Up to 17 the axes were an attribute.
void Upgrader::reduce(Node &node) {
  bool keepsWithoutAxes = attributeInt(node, "noop_with_empty_axes", 0) != 0;
  std::optional<Dims> axes = hasInput(node, 1) ? constantInts(node.inputs[1]) : Dims();
  if (!axes)
    return refuse(node, "its axes are not constant; export the model with constant axes");
  node.attributes.erase("noop_with_empty_axes");
  node.inputs.resize(1);
  if (axes->empty() && keepsWithoutAxes) {
    node.op = "Identity";
    node.attributes.clear();
  }
  if (axes->empty())
    return;
  Attribute &attribute = node.attributes["axes"];
  attribute.kind = Attribute::Kind::Ints;
  attribute.ints.assign(axes->begin(), axes->end());
}

/// Since 18 the last of `num_outputs` parts may be shorter.
void Upgrader::newSplit(Node &node) {
  node.attributes.erase("num_outputs");
  std::optional<Dims> dims = facts.of(node.inputs[0]).dims;
  std::optional<Dims> axis = dims ? normalizedAxes({attributeInt(node, "axis", 0)}, dims->size()) : std::nullopt;
  int64_t dim = axis ? (*dims)[(*axis)[0]] : openDim, parts = int64_t(node.outputs.size());
  if (hasInput(node, 1) || dim == openDim || dim % parts == 0)
    return;
  Dims lengths(size_t(parts), (dim + parts - 1) / parts);
  lengths.back() = dim - lengths[0] * (parts - 1);
  node.inputs.resize(1);
  node.inputs.push_back(intConstant(node, "split", lengths));
}

void Upgrader::newAveragePool(Node &node) {
  std::optional<Dims> dilations = attributeInts(node, "dilations");
  if (dilations && !llvm::all_of(*dilations, [](int64_t dilation) { return dilation == 1; }))
    return refuse(node, "an AveragePool of opset 17, the opset of the switchable file, has no dilations; replace it by "
                        "a depthwise Conv with these dilations and one over the window's size as each weight");
  node.attributes.erase("dilations");
}

/// x/2 · (1 + erf(x/√2)), or with approximate=tanh x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))).
void Upgrader::gelu(Node &node) {
  StringRef kind = attributeText(node, "approximate", "none");
  if (kind != "none" && kind != "tanh")
    return report(Problem::Kind::Invalid, node, "approximate is '" + kind + "'; it must be none or tanh");
  const std::string x = node.inputs[0];
  std::string inner;
  if (kind == "tanh") {
    inner = tanhOfGelu(node);
  } else {
    std::string scaled = precede(node, "Div", {x, scalar(node, "root", float(std::sqrt(2.0)))}, "scaled");
    inner = precede(node, "Erf", {scaled}, "erf");
  }
  std::string sum = precede(node, "Add", {inner, scalar(node, "one", 1)}, "sum");
  std::string half = precede(node, "Mul", {x, scalar(node, "half", 0.5f)}, "halved");
  node.op = "Mul";
  node.inputs = {half, sum};
  node.attributes.clear();
}

std::string Upgrader::tanhOfGelu(const Node &node) {
  const std::string &x = node.inputs[0];
  const double pi = std::acos(-1.0);
  std::string square = precede(node, "Mul", {x, x}, "square");
  std::string cube = precede(node, "Mul", {square, x}, "cube");
  std::string bend = precede(node, "Mul", {cube, scalar(node, "bending", 0.044715f)}, "bent");
  std::string line = precede(node, "Add", {x, bend}, "line");
  std::string scaled = precede(node, "Mul", {line, scalar(node, "factor", float(std::sqrt(2 / pi)))}, "scaled");
  return precede(node, "Tanh", {scaled}, "tanh");
}

void Upgrader::castLike(Node &node) {
  ElementType type = hasInput(node, 1) ? facts.of(node.inputs[1]).type : ElementType::Undefined;
  if (type == ElementType::Undefined)
    return refuse(node, "the type of its second input does not follow from the nodes before it; replace the node by a "
                        "Cast to that type");
  bool changes = facts.of(node.inputs[0]).type != type;
  node.op = changes ? "Cast" : "Identity";
  node.inputs.resize(1);
  node.attributes.clear();
  if (changes)
    node.attributes["to"].i = int64_t(type);
}

} // namespace anybit::quantize
