//===- Upgrade.cpp - nodes of opset 8..26 as nodes of opset 17 ------------===//
//
// A node is kept where its meaning did not change between its opset and 17, rewritten where a rule below says how, and
// refused otherwise.
//
//===----------------------------------------------------------------------===//
#include "Network.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/StringSwitch.h"

#include <functional>
#include <limits>

using namespace llvm;

namespace anybit::quantize {

using onnx::Attribute;
using onnx::Node;
using onnx::Problem;

namespace {

/// Opsets between which a node means what it means at 17, attributes and inputs included.
struct Span {
  int64_t from = 0, to = 0;
};

Span spanOf(StringRef op) {
  return StringSwitch<Span>(op)
      .Cases({"Conv", "ConvTranspose", "Gemm", "MatMul", "Relu", "Sigmoid", "Tanh", "Add"}, {1, 28})
      .Cases({"Sub", "Mul", "Div", "Sqrt", "Exp", "Log", "Neg", "Abs", "Reciprocal"}, {7, 28})
      .Cases({"Floor", "Ceil", "Erf", "Max", "Min", "Sum", "Mean", "Pow", "Elu", "LeakyRelu"}, {7, 28})
      .Cases({"PRelu", "Selu", "Softplus", "Softsign", "HardSigmoid", "HardSwish", "ThresholdedRelu"}, {7, 28})
      .Cases({"GlobalAveragePool", "GlobalMaxPool", "MaxPool", "Flatten", "Concat", "Transpose", "Gather"}, {1, 28})
      .Cases({"Reshape", "Expand", "Tile", "Where", "Equal", "Less", "Greater", "Not", "And", "Or"}, {7, 28})
      .Cases({"LessOrEqual", "GreaterOrEqual", "Round", "Sign", "Sin", "Cos", "Celu", "LRN"}, {7, 28})
      .Cases({"Identity", "Constant", "ConstantOfShape", "Shape", "Size", "Range", "Cast", "ArgMax", "ArgMin"}, {8, 28})
      .Cases({"DepthToSpace", "SpaceToDepth", "InstanceNormalization", "LpNormalization", "Einsum"}, {8, 28})
      .Cases({"LayerNormalization", "GatherElements", "GatherND", "ScatterND", "CumSum"}, {11, 28})
      .Case("BatchNormalization", {9, 28})
      .Cases({"Softmax", "LogSoftmax", "Hardmax"}, {13, 28})
      .Cases({"Squeeze", "Unsqueeze", "ReduceSum"}, {13, 28})
      .Cases({"ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare"}, {1, 17})
      .Case("Clip", {11, 28})
      .Cases({"Pad", "TopK", "Resize"}, {11, 17})
      .Case("Slice", {10, 28})
      .Case("Split", {13, 17})
      .Case("AveragePool", {7, 18})
      .Case("Dropout", {1, 28})
      .Default({17, 17});
}

class Upgrader {
public:
  Upgrader(onnx::Graph &graph, std::vector<Problem> &problems) : graph(graph), problems(problems) {
    for (const onnx::ValueInfo &input : graph.inputs)
      names.insert(input.name);
    for (const auto &entry : graph.initializers)
      names.insert(entry.getKey());
    for (const Node &node : graph.nodes)
      names.insert(node.outputs.begin(), node.outputs.end());
  }

  void run() {
    std::vector<Node> old = std::move(graph.nodes);
    graph.nodes.clear();
    for (Node &node : old) {
      upgrade(node);
      node.opset = 17;
      graph.nodes.push_back(std::move(node));
      for (Node &extra : after)
        graph.nodes.push_back(std::move(extra));
      after.clear();
    }
  }

private:
  onnx::Graph &graph;
  std::vector<Problem> &problems;
  StringSet<> names;
  std::vector<Node> after; ///< Nodes to follow the current one.

  void refuse(const Node &node, const Twine &why) {
    problems.push_back({Problem::Kind::Unsupported,
                        ("node '" + node.name + "' (" + node.op + ", opset " + Twine(node.opset) + "): " + why).str()});
  }

  std::string fresh(const Twine &hint) {
    std::string name = hint.str();
    while (!names.insert(name).second)
      name += "_";
    return name;
  }

  std::string constant(const Node &node, StringRef what, onnx::Tensor tensor) {
    std::string name = fresh(node.outputs[0] + "/" + what);
    graph.initializers[name] = std::move(tensor);
    return name;
  }

  std::string intConstant(const Node &node, StringRef what, ArrayRef<int64_t> values) {
    return constant(node, what, makeTensor({int64_t(values.size())}, values));
  }

  /// Moves an attribute of integers to the end of the inputs.
  void attributeToInput(Node &node, StringRef attribute) {
    auto found = node.attributes.find(attribute);
    if (found == node.attributes.end())
      return;
    node.inputs.push_back(intConstant(node, attribute, found->second.ints));
    node.attributes.erase(attribute);
  }

  int64_t intAttribute(const Node &node, StringRef name, int64_t otherwise) const {
    auto found = node.attributes.find(name);
    return found == node.attributes.end() ? otherwise : found->second.i;
  }

  void upgrade(Node &node);
  bool rewrite(Node &node);
  void dropDefaults(Node &node);
  void clip(Node &node);
  void slice(Node &node);
  void pad(Node &node);
  void newPad(Node &node);
  void softmax(Node &node);
  void reduce(Node &node);
  void resize10(Node &node);
  void newResize(Node &node);
  int64_t rankOf(StringRef value, unsigned depth) const;
};

void Upgrader::upgrade(Node &node) {
  for (const auto &attribute : node.attributes)
    if (attribute.second.kind == Attribute::Kind::Graph)
      return refuse(node, "control flow cannot be quantized; export the model without it");
  if (!node.domain.empty())
    return refuse(node, "domain '" + node.domain + "' cannot be quantized; give a float model of standard ops");
  dropDefaults(node);
  if (rewrite(node))
    return;
  Span span = spanOf(node.op);
  if (node.opset < span.from || node.opset > span.to)
    refuse(node, "cannot be expressed at opset 17; export the model at opset 17");
}

/// Attributes that newer opsets added, where they say what older ones always did.
void Upgrader::dropDefaults(Node &node) {
  if (node.op == "Cast")
    node.attributes.erase("saturate"), node.attributes.erase("round_mode");
  if (node.op == "BatchNormalization" && (intAttribute(node, "training_mode", 0) != 0 || node.outputs.size() > 1))
    refuse(node, "is in training mode; export the model for inference");
  if (node.op == "BatchNormalization" && node.opset < 9 && intAttribute(node, "spatial", 1) == 1) {
    node.attributes.erase("spatial");
    node.opset = 9;
  }
  if (node.op == "AveragePool" && node.opset > 18 && !node.attributes.count("dilations"))
    node.opset = 17;
  if (node.op == "Split" && node.opset > 17 && node.attributes.erase("num_outputs"))
    node.opset = 17;
  if (node.op == "Dropout") {
    node.op = "Identity";
    node.attributes.clear();
    node.inputs.resize(1);
    node.outputs.resize(1);
  }
}

/// Applies the rule for this op and opset; false if there is none.
bool Upgrader::rewrite(Node &node) {
  using Rule = void (Upgrader::*)(Node &);
  bool old = node.opset < 13;
  Rule rule =
      StringSwitch<Rule>(node.op)
          .Case("Clip", node.opset < 11 ? &Upgrader::clip : nullptr)
          .Case("Slice", node.opset < 10 ? &Upgrader::slice : nullptr)
          .Case("Pad", node.opset < 11   ? &Upgrader::pad
                       : node.opset > 17 ? &Upgrader::newPad
                                         : nullptr)
          .Cases({"Softmax", "LogSoftmax", "Hardmax"}, old ? &Upgrader::softmax : nullptr)
          .Cases({"ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare"},
                 node.opset > 17 ? &Upgrader::reduce : nullptr)
          .Case("Resize", node.opset == 10  ? &Upgrader::resize10
                          : node.opset > 17 ? &Upgrader::newResize
                                            : nullptr)
          .Case("Upsample", node.opset == 9 ? &Upgrader::resize10 : nullptr)
          .Default(nullptr);
  if (rule) {
    (this->*rule)(node);
    return true;
  }
  if (!old || !is_contained({"Squeeze", "Unsqueeze", "ReduceSum", "Split"}, node.op))
    return false;
  attributeToInput(node, node.op == "Split" ? "split" : "axes");
  return true;
}

void Upgrader::clip(Node &node) {
  node.inputs.resize(1);
  for (StringRef bound : {"min", "max"}) {
    auto found = node.attributes.find(bound);
    bool absent = found == node.attributes.end();
    node.inputs.push_back(absent ? std::string()
                                 : constant(node, bound, makeTensor({}, ArrayRef<float>(found->second.f))));
    node.attributes.erase(bound);
  }
}

void Upgrader::slice(Node &node) {
  attributeToInput(node, "starts");
  attributeToInput(node, "ends");
  attributeToInput(node, "axes");
}

void Upgrader::pad(Node &node) {
  float value = node.attributes.count("value") ? node.attributes.find("value")->second.f : 0;
  attributeToInput(node, "pads");
  node.inputs.push_back(constant(node, "value", makeTensor({}, ArrayRef<float>(value))));
  node.attributes.erase("value");
}

void Upgrader::newPad(Node &node) {
  auto mode = node.attributes.find("mode");
  bool wraps = mode != node.attributes.end() && mode->second.s == "wrap";
  if (wraps || (node.inputs.size() > 3 && !node.inputs[3].empty()))
    refuse(node, "mode 'wrap' and the input 'axes' do not exist at opset 17; export the model at opset 17");
}

/// Before 13 the input was a matrix of its first `axis` dimensions by the others.
void Upgrader::softmax(Node &node) {
  int64_t axis = intAttribute(node, "axis", 1);
  int64_t rank = rankOf(node.inputs[0], 0);
  Attribute last;
  last.i = -1;
  node.attributes["axis"] = last;
  if (axis == -1 || (rank > 0 && axis == rank - 1))
    return;
  std::string input = node.inputs[0], output = node.outputs[0];
  Node shape{node.name + "/shape", "Shape", "", 17, {input}, {fresh(output + "/shape")}, {}};
  Node flatten{node.name + "/flatten", "Flatten", "", 17, {input}, {fresh(output + "/matrix")}, {}};
  flatten.attributes["axis"].i = axis;
  Node rows = node;
  rows.inputs[0] = flatten.outputs[0];
  rows.outputs[0] = fresh(output + "/rows");
  rows.opset = 17;
  Node reshape{node.name + "/reshape", "Reshape", "", 17, {rows.outputs[0], shape.outputs[0]}, {output}, {}};
  node = shape;
  after = {flatten, rows, reshape};
}

void Upgrader::reduce(Node &node) {
  bool hasAxes = node.inputs.size() > 1 && !node.inputs[1].empty();
  auto axes = hasAxes ? graph.initializers.find(node.inputs[1]) : graph.initializers.end();
  if ((hasAxes && axes == graph.initializers.end()) || intAttribute(node, "noop_with_empty_axes", 0) != 0)
    return refuse(node, "its axes are not constant; export the model at opset 17");
  node.attributes.erase("noop_with_empty_axes");
  node.inputs.resize(1);
  if (!hasAxes)
    return;
  Attribute attribute;
  attribute.kind = Attribute::Kind::Ints;
  attribute.ints = intsOf(axes->second);
  node.attributes["axes"] = attribute;
}

/// Resize 10 and Upsample 9 took the floor of an asymmetric coordinate.
void Upgrader::resize10(Node &node) {
  if (node.inputs.size() != 2)
    return refuse(node, "its scales are missing");
  node.op = "Resize";
  node.inputs = {node.inputs[0], "", node.inputs[1]};
  auto text = [&](StringRef name, StringRef value) {
    Attribute attribute;
    attribute.kind = Attribute::Kind::String;
    attribute.s = value.str();
    node.attributes[name] = attribute;
  };
  text("coordinate_transformation_mode", "asymmetric");
  text("nearest_mode", "floor");
}

void Upgrader::newResize(Node &node) {
  auto policy = node.attributes.find("keep_aspect_ratio_policy");
  bool stretches = policy == node.attributes.end() || policy->second.s == "stretch";
  if (!stretches || node.attributes.count("axes") || intAttribute(node, "antialias", 0) != 0)
    return refuse(node, "antialias, axes and keep_aspect_ratio_policy do not exist at opset 17");
  node.attributes.erase("keep_aspect_ratio_policy");
  node.attributes.erase("antialias");
}

/// The rank of `value`, 0 if it is not plain to see.
int64_t Upgrader::rankOf(StringRef value, unsigned depth) const {
  for (const onnx::ValueInfo &input : graph.inputs)
    if (input.name == value)
      return input.hasShape ? int64_t(input.dims.size()) : 0;
  auto constant = graph.initializers.find(value);
  if (constant != graph.initializers.end())
    return int64_t(constant->second.dims.size());
  auto made = llvm::find_if(graph.nodes, [&](const Node &n) { return is_contained(n.outputs, value); });
  if (depth > 64 || made == graph.nodes.end())
    return 0;
  if (is_contained({"Gemm", "Flatten"}, made->op))
    return 2;
  if (made->op == "Reshape") {
    auto shape = graph.initializers.find(made->inputs[1]);
    return shape == graph.initializers.end() ? 0 : shape->second.count();
  }
  int64_t rank = 0;
  if (is_contained({"Add", "Mul", "Sub", "Div"}, made->op))
    rank = rankOf(made->inputs[1], depth + 1);
  if (rank == 0 && is_contained({"Add", "Mul", "Sub", "Div"}, made->op))
    return 0;
  if (is_contained({"Relu", "Clip", "Conv", "MatMul", "Transpose", "BatchNormalization", "MaxPool", "Identity", "Add",
                    "Mul", "Sub", "Div", "AveragePool", "GlobalAveragePool"},
                   made->op)) {
    int64_t first = rankOf(made->inputs[0], depth + 1);
    return first == 0 ? 0 : std::max(first, rank);
  }
  return 0;
}

} // namespace

void upgradeToOpset17(onnx::Graph &graph, std::vector<Problem> &problems) { Upgrader(graph, problems).run(); }

} // namespace anybit::quantize
