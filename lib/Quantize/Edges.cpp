//===- Edges.cpp - which tensors want which quantizer ---------------------===//
//
// Walks the steps backwards: a layer wants its input as codes; a tensor that is wanted, directly or behind a clip or a
// move, makes what computes it want its own inputs (numerics N5, N6).
//
//===----------------------------------------------------------------------===//
#include "Edges.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>

using namespace llvm;

namespace anybit::quantize {

using onnx::Node;

namespace {

bool isClip(const Node &node) { return node.domain.empty() && is_contained({"Relu", "Clip"}, node.op); }

bool isAveragePool(const Node &node) {
  return node.domain.empty() && is_contained({"AveragePool", "GlobalAveragePool", "ReduceMean"}, node.op);
}

/// Ops that apply one function to each element.
bool isElementwise(const Node &node) {
  static constexpr StringLiteral ops[] = {
      "Add", "Sub",  "Mul",      "Div",      "Sigmoid", "HardSigmoid", "HardSwish", "Tanh",       "LeakyRelu",
      "Elu", "Selu", "Celu",     "Softplus", "Erf",     "Exp",         "Log",       "Sqrt",       "Abs",
      "Neg", "Pow",  "Softsign", "Relu",     "Clip",    "Min",         "Max",       "Reciprocal", "ThresholdedRelu"};
  return node.domain.empty() && is_contained(ops, node.op);
}

bool isJoin(const Node &node) {
  return node.domain.empty() && is_contained({"Add", "Sub", "Mul", "Div", "Sum", "Max", "Min"}, node.op);
}

bool constantZero(const Node &node, size_t input, const onnx::Graph &graph) {
  if (input >= node.inputs.size() || node.inputs[input].empty())
    return true;
  auto found = graph.initializers.find(node.inputs[input]);
  return found != graph.initializers.end() && found->second.type == onnx::ElementType::Float &&
         llvm::all_of(floatsOf(found->second), [](float value) { return value == 0; });
}

StringRef text(const Node &node, StringRef name, StringRef otherwise) {
  auto found = node.attributes.find(name);
  return found == node.attributes.end() ? otherwise : StringRef(found->second.s);
}

} // namespace

bool movesValues(const Node &node, const onnx::Graph &graph) {
  static constexpr StringLiteral ops[] = {
      "MaxPool", "GlobalMaxPool", "Reshape", "Flatten",  "Transpose",    "Squeeze", "Unsqueeze", "Slice",
      "Gather",  "Split",         "Concat",  "Identity", "DepthToSpace", "Expand",  "Tile",      "SpaceToDepth"};
  if (!node.domain.empty())
    return false;
  if (node.op == "Pad")
    return text(node, "mode", "constant") != "constant" || constantZero(node, 2, graph);
  if (node.op == "Resize")
    return text(node, "mode", "nearest") == "nearest";
  return is_contained(ops, node.op) && !(node.op == "MaxPool" && node.outputs.size() > 1);
}

Edges::Edges(const Network &network) : network(network) {
  for (size_t i = 0; i < network.steps.size(); ++i) {
    for (const std::string &output : network.steps[i].node.outputs)
      producer[output] = i;
    for (const std::string &input : network.steps[i].node.inputs)
      ++uses[input];
  }
  for (const onnx::ValueInfo &output : network.graph.outputs)
    ++uses[output.name];
  for (const Step &step : network.steps)
    findFunction(step);
  for (size_t i = network.steps.size(); i-- > 0;)
    visit(i);
  std::sort(demands.begin(), demands.end(), [](const Demand &a, const Demand &b) {
    return std::make_pair(a.step, a.input) < std::make_pair(b.step, b.input);
  });
}

bool Edges::isScalar(StringRef name) const {
  auto found = network.graph.initializers.find(name);
  return found != network.graph.initializers.end() && found->second.count() == 1;
}

/// Straight from a layer and read nowhere else: it can stay in the accumulator.
bool Edges::isFresh(StringRef name) const {
  auto found = producer.find(name);
  return found != producer.end() && network.steps[found->second].kind == Step::Kind::Affine && uses.lookup(name) == 1;
}

std::vector<size_t> Edges::dataInputs(const Step &step) const {
  std::vector<size_t> result;
  bool firstOnly =
      step.kind != Step::Kind::Plain || (movesValues(step.node, network.graph) && step.node.op != "Concat");
  for (size_t i = 0; i < (firstOnly ? 1 : step.node.inputs.size()); ++i)
    if (!step.node.inputs[i].empty() && !network.graph.initializers.count(step.node.inputs[i]))
      result.push_back(i);
  return result;
}

StringRef Edges::rootOf(StringRef name) const {
  auto found = root.find(name);
  return found == root.end() ? StringRef() : StringRef(found->second);
}

/// Notes the root of the step's output if the step is part of a function of one tensor: Sigmoid, x * Sigmoid(x), ….
void Edges::findFunction(const Step &step) {
  if (step.kind != Step::Kind::Plain || !isElementwise(step.node))
    return;
  std::vector<size_t> data = dataInputs(step);
  bool scalars = llvm::all_of(step.node.inputs, [&](const std::string &name) {
    return name.empty() || !network.graph.initializers.count(name) || isScalar(name);
  });
  if (data.empty() || !scalars)
    return;
  auto rootOf = [&](size_t i) {
    auto found = root.find(step.node.inputs[i]);
    return found == root.end() ? StringRef(step.node.inputs[i]) : StringRef(found->second);
  };
  StringRef first = rootOf(data[0]);
  bool one = llvm::all_of(data, [&](size_t i) { return rootOf(i) == first; });
  bool startsWithClip = isClip(step.node) && !root.count(step.node.inputs[data[0]]);
  if (one && !startsWithClip)
    root[step.node.outputs[0]] = first.str();
}

void Edges::demand(size_t step, size_t input, Role role) {
  demands.push_back({step, input, role});
  wanted.insert(network.steps[step].node.inputs[input]);
}

/// The inputs of a function of one tensor; false if the step is none.
bool Edges::visitFunction(size_t index) {
  const Step &step = network.steps[index];
  auto found = root.find(step.node.outputs[0]);
  if (step.kind != Step::Kind::Plain || found == root.end())
    return false;
  for (size_t input : dataInputs(step)) {
    if (step.node.inputs[input] == found->second)
      demand(index, input, Role::Wide);
    else
      wanted.insert(step.node.inputs[input]);
  }
  return true;
}

/// A sum or product of two tensors: everything but one addend fresh from a layer becomes 8-bit codes.
void Edges::visitJoin(size_t index) {
  const Node &node = network.steps[index].node;
  std::vector<size_t> data = dataInputs(network.steps[index]);
  std::optional<size_t> fused;
  if (node.op == "Add" && data.size() == 2) // The later layer keeps its accumulator.
    for (size_t input : data)
      if (isFresh(node.inputs[input]) &&
          (!fused || producer.lookup(node.inputs[input]) > producer.lookup(node.inputs[*fused])))
        fused = input;
  for (size_t input : data)
    if (input != fused && data.size() > 1)
      demand(index, input, Role::Wide);
}

void Edges::visit(size_t index) {
  const Step &step = network.steps[index];
  if (step.kind == Step::Kind::Layer)
    return demand(index, 0, Role::Layer);
  bool needed = llvm::any_of(step.node.outputs, [&](const std::string &name) { return wanted.contains(name); });
  if (step.kind != Step::Kind::Plain || !needed || visitFunction(index))
    return;
  if (isAveragePool(step.node))
    return demand(index, 0, Role::Wide);
  if (isClip(step.node) || movesValues(step.node, network.graph)) {
    for (size_t input : dataInputs(step))
      wanted.insert(step.node.inputs[input]);
    return;
  }
  if (isJoin(step.node))
    visitJoin(index);
}

} // namespace anybit::quantize
