//===- Upgrade.cpp - nodes of opset 8..28 as nodes of opset 17 ------------===//
//
// A node is kept where its meaning did not change between its opset and 17, rewritten where a rule says how, and
// refused otherwise. The nodes of the branch that a constant condition chooses take the place of an If.
//
//===----------------------------------------------------------------------===//
#include "Upgrade.h"

#include "anybit/Frontend/ONNX/Convention.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"

#include <iterator>

using namespace llvm;

namespace anybit::quantize {

using onnx::Attribute;
using onnx::ElementType;
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
      .Cases({"Reshape", "Expand", "Tile", "Where", "Equal", "Less", "Greater", "Not", "And", "Or", "Xor"}, {7, 28})
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
      .Cases({"Slice", "Mod"}, {10, 28})
      .Case("Split", {13, 17})
      .Case("AveragePool", {7, 18})
      .Case("Dropout", {1, 28})
      .Default({17, 17});
}

} // namespace

//===----------------------------------------------------------------------===//
// What rules are made of
//===----------------------------------------------------------------------===//

void Upgrader::report(Problem::Kind kind, const Node &node, const Twine &why) {
  problems.push_back(
      {kind, ("node '" + node.name + "' (" + node.op + ", opset " + Twine(node.opset) + "): " + why).str()});
}

void Upgrader::refuse(const Node &node, const Twine &why) { report(Problem::Kind::Unsupported, node, why); }

std::string Upgrader::fresh(const Twine &hint) {
  std::string name = hint.str();
  while (!names.insert(name).second)
    name += "_";
  return name;
}

std::string Upgrader::constant(const Node &node, StringRef what, onnx::Tensor tensor) {
  std::string name = fresh(node.outputs[0] + "/" + what);
  graph.initializers[name] = std::move(tensor);
  return name;
}

std::string Upgrader::intConstant(const Node &node, StringRef what, ArrayRef<int64_t> values) {
  return constant(node, what, makeTensor({int64_t(values.size())}, values));
}

std::string Upgrader::scalar(const Node &node, StringRef what, float value) {
  return constant(node, what, makeTensor({}, ArrayRef<float>(value)));
}

/// The values of an initializer of integers.
std::optional<Dims> Upgrader::constantInts(StringRef name) const {
  auto found = graph.initializers.find(name);
  bool isInts =
      found != graph.initializers.end() && is_contained({ElementType::Int64, ElementType::Int32}, found->second.type);
  if (!isInts)
    return std::nullopt;
  std::vector<int64_t> values = intsOf(found->second);
  return Dims(values.begin(), values.end());
}

/// Moves an attribute of integers to the end of the inputs.
void Upgrader::attributeToInput(Node &node, StringRef attribute) {
  auto found = node.attributes.find(attribute);
  if (found == node.attributes.end())
    return;
  node.inputs.push_back(intConstant(node, attribute, found->second.ints));
  node.attributes.erase(attribute);
}

std::string Upgrader::precede(const Node &node, StringRef op, std::vector<std::string> inputs, StringRef what) {
  std::string result = fresh(node.outputs[0] + "/" + what);
  before.push_back(makeNode(node.name + "/" + what.str(), op, std::move(inputs), result));
  return result;
}

//===----------------------------------------------------------------------===//
// The walk
//===----------------------------------------------------------------------===//

Upgrader::Upgrader(onnx::Graph &graph, std::vector<Problem> &problems)
    : graph(graph), problems(problems), facts(graph) {
  names.insert(onnx::candidateInput);
  reserveNames(graph);
}

void Upgrader::reserveNames(const onnx::Graph &of) {
  for (const onnx::ValueInfo &input : of.inputs)
    names.insert(input.name);
  for (const auto &entry : of.initializers)
    names.insert(entry.getKey());
  for (const Node &node : of.nodes) {
    names.insert(node.outputs.begin(), node.outputs.end());
    for (const auto &attribute : node.attributes)
      if (attribute.second.graph)
        reserveNames(*attribute.second.graph);
  }
}

void Upgrader::run() {
  // Reversed, so that the nodes of a branch can take the place of their If.
  std::vector<Node> open(std::make_move_iterator(graph.nodes.rbegin()), std::make_move_iterator(graph.nodes.rend()));
  graph.nodes.clear();
  while (!open.empty()) {
    Node node = std::move(open.back());
    open.pop_back();
    if (node.op == "If" && node.domain.empty()) {
      std::vector<Node> taken = chosenBranch(node);
      open.insert(open.end(), std::make_move_iterator(taken.rbegin()), std::make_move_iterator(taken.rend()));
      continue;
    }
    upgrade(node);
    for (Node &extra : before)
      emit(std::move(extra));
    before.clear();
    emit(std::move(node));
  }
}

void Upgrader::emit(Node node) {
  node.opset = 17;
  facts.learn(node);
  graph.nodes.push_back(std::move(node));
}

/// What the If computes, under its names. The names of a branch differ from all others of the model.
std::vector<Node> Upgrader::chosenBranch(const Node &node) {
  std::optional<double> condition = hasInput(node, 0) ? facts.numberOf(node.inputs[0]) : std::nullopt;
  if (!condition) {
    refuse(node,
           "its condition is not known before the network runs; fix the shapes of the model's inputs if it depends "
           "on them, or export the model without control flow");
    return {};
  }
  auto found = node.attributes.find(*condition != 0 ? "then_branch" : "else_branch");
  bool fits = found != node.attributes.end() && found->second.graph &&
              found->second.graph->outputs.size() == node.outputs.size();
  if (!fits) {
    report(Problem::Kind::Invalid, node, "its branch does not have the outputs of the node; repair the model");
    return {};
  }
  onnx::Graph branch = *found->second.graph;
  simplify(branch);
  for (auto &entry : branch.initializers)
    graph.initializers[entry.getKey()] = std::move(entry.second);
  std::vector<Node> nodes = std::move(branch.nodes);
  for (auto [result, output] : llvm::zip_equal(branch.outputs, node.outputs))
    if (!output.empty())
      nodes.push_back(makeNode(node.name + "/" + output, "Identity", {result.name}, output));
  return nodes;
}

/// Refuses what no opset of the rules makes quantizable.
bool Upgrader::checkKind(const Node &node) {
  static constexpr StringLiteral integer[] = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear",
                                              "QLinearConv",    "QLinearMatMul",    "ConvInteger",
                                              "MatMulInteger"};
  size_t known = problems.size();
  if (llvm::any_of(node.attributes, [](const auto &entry) { return entry.second.kind == Attribute::Kind::Graph; }))
    refuse(node, "control flow cannot be quantized; export the model without it");
  else if (!node.domain.empty())
    refuse(node, "domain '" + node.domain + "' cannot be quantized; give a float model of standard ops");
  else if (is_contained(integer, node.op))
    refuse(node, "the model is quantized already; give the float model that it was made from");
  return problems.size() == known;
}

void Upgrader::upgrade(Node &node) {
  if (!checkKind(node))
    return;
  dropDefaults(node);
  if (rewrite(node))
    return;
  Span span = spanOf(node.op);
  if (node.opset < span.from || node.opset > span.to)
    refuse(node, "the switchable file is of opset 17, and there is no rule that brings this node there; export the "
                 "model at opset 17, or with other ops in its place");
}

/// Attributes that newer opsets added, where they say what older ones always did.
void Upgrader::dropDefaults(Node &node) {
  if (node.op == "Cast")
    node.attributes.erase("saturate"), node.attributes.erase("round_mode");
  if (node.op == "BatchNormalization" && (attributeInt(node, "training_mode", 0) != 0 || node.outputs.size() > 1))
    refuse(node, "is in training mode; export the model for inference");
  if (node.op == "BatchNormalization" && node.opset < 9 && attributeInt(node, "spatial", 1) == 1) {
    node.attributes.erase("spatial");
    node.opset = 9;
  }
  if (node.op == "Dropout" && hasInput(node, 0)) {
    node.op = "Identity";
    node.attributes.clear();
    node.inputs.resize(1);
    node.outputs.resize(1);
  }
}

/// Applies the rule for this op and opset; false if there is none.
bool Upgrader::rewrite(Node &node) {
  using Rule = void (Upgrader::*)(Node &);
  bool old = node.opset < 13, isNew = node.opset > 17;
  Rule rule =
      StringSwitch<Rule>(node.op)
          .Case("Clip", node.opset < 11 ? &Upgrader::clip : nullptr)
          .Case("Slice", node.opset < 10 ? &Upgrader::slice : nullptr)
          .Case("Pad", node.opset < 11 ? &Upgrader::pad
                       : isNew         ? &Upgrader::newPad
                                       : nullptr)
          .Cases({"Softmax", "LogSoftmax", "Hardmax"}, old ? &Upgrader::softmax : nullptr)
          .Cases({"ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare"},
                 isNew ? &Upgrader::reduce : nullptr)
          .Case("Resize", node.opset == 10 ? &Upgrader::resize10
                          : isNew          ? &Upgrader::newResize
                                           : nullptr)
          .Case("Split", isNew ? &Upgrader::newSplit : nullptr)
          .Case("AveragePool", isNew ? &Upgrader::newAveragePool : nullptr)
          .Case("Upsample", &Upgrader::upsample)
          .Case("Gelu", &Upgrader::gelu)
          .Case("CastLike", &Upgrader::castLike)
          .Default(nullptr);
  if (rule && !hasInput(node, 0))
    report(Problem::Kind::Invalid, node, "its first input is missing; repair the model");
  else if (rule)
    (this->*rule)(node);
  if (rule)
    return true;
  if (!old || !is_contained({"Squeeze", "Unsqueeze", "ReduceSum", "Split"}, node.op))
    return false;
  attributeToInput(node, node.op == "Split" ? "split" : "axes");
  return true;
}

void upgradeToOpset17(onnx::Graph &graph, std::vector<Problem> &problems) { Upgrader(graph, problems).run(); }

} // namespace anybit::quantize
