//===- Simplify.cpp - constants as initializers, no aliases ---------------===//
#include "Network.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"

#include <numeric>
#include <optional>

using namespace llvm;

namespace anybit::quantize {

using onnx::Node;
using onnx::Tensor;

namespace {

std::optional<Tensor> constantOf(const Node &node) {
  if (node.attributes.size() != 1)
    return std::nullopt;
  const onnx::Attribute &attribute = node.attributes.begin()->second;
  StringRef name = node.attributes.begin()->getKey();
  if (name == "value")
    return attribute.tensor;
  if (name == "value_float")
    return makeTensor({}, ArrayRef<float>(attribute.f));
  if (name == "value_floats")
    return makeTensor({int64_t(attribute.floats.size())}, ArrayRef<float>(attribute.floats));
  if (name == "value_int")
    return makeTensor({}, ArrayRef<int64_t>(attribute.i));
  if (name == "value_ints")
    return makeTensor({int64_t(attribute.ints.size())}, ArrayRef<int64_t>(attribute.ints));
  return std::nullopt;
}

/// `data` with the dimensions that a Reshape of opset 17 gives it.
std::optional<Tensor> reshaped(const Tensor &data, const Tensor &shape, const Node &node) {
  SmallVector<int64_t, 4> dims;
  int64_t known = 1;
  std::optional<size_t> open;
  for (int64_t dim : intsOf(shape)) {
    if (dim == 0 && dims.size() < data.dims.size() && !node.attributes.count("allowzero"))
      dim = data.dims[dims.size()];
    if (dim == -1)
      open = dims.size();
    else if (dim <= 0 || known > data.count() / dim)
      return std::nullopt;
    known *= dim == -1 ? 1 : dim;
    dims.push_back(dim);
  }
  if (open)
    dims[*open] = data.count() / known;
  if (countOf(dims) != data.count())
    return std::nullopt;
  Tensor result = data;
  result.dims = dims;
  return result;
}

/// What `node` computes if that is plain from initializers.
std::optional<Tensor> fold(const Node &node, const onnx::Graph &graph) {
  if (node.op == "Constant" && node.domain.empty())
    return constantOf(node);
  auto input = [&](size_t i) {
    return i < node.inputs.size() ? graph.initializers.find(node.inputs[i]) : graph.initializers.end();
  };
  if (node.op != "Reshape" || input(0) == graph.initializers.end() || input(1) == graph.initializers.end())
    return std::nullopt;
  return reshaped(input(0)->second, input(1)->second, node);
}

/// Calls `use` with every name that `node` reads, those of its subgraphs included.
void forEachRead(Node &node, function_ref<void(std::string &)> use) {
  for (std::string &input : node.inputs)
    use(input);
  for (auto &attribute : node.attributes) {
    if (!attribute.second.graph)
      continue;
    for (Node &inner : attribute.second.graph->nodes)
      forEachRead(inner, use);
    for (onnx::ValueInfo &output : attribute.second.graph->outputs)
      use(output.name);
  }
}

void dropUnread(onnx::Graph &graph) {
  StringSet<> read;
  for (const onnx::ValueInfo &output : graph.outputs)
    read.insert(output.name);
  std::vector<Node> kept;
  for (Node &node : llvm::reverse(graph.nodes)) {
    if (llvm::none_of(node.outputs, [&](const std::string &name) { return read.contains(name); }))
      continue;
    forEachRead(node, [&](const std::string &name) { read.insert(name); });
    kept.push_back(std::move(node));
  }
  std::reverse(kept.begin(), kept.end());
  graph.nodes = std::move(kept);
}

} // namespace

void simplify(onnx::Graph &graph) {
  StringSet<> outputs;
  for (const onnx::ValueInfo &output : graph.outputs)
    outputs.insert(output.name);
  StringMap<std::string> alias;
  std::vector<Node> kept;
  for (Node &node : graph.nodes) {
    forEachRead(node, [&](std::string &name) {
      if (auto found = alias.find(name); found != alias.end())
        name = found->second;
    });
    bool named = node.outputs.empty() || outputs.contains(node.outputs[0]);
    std::optional<Tensor> constant = named ? std::nullopt : fold(node, graph);
    if (constant)
      graph.initializers[node.outputs[0]] = std::move(*constant);
    else if (node.op == "Identity" && node.domain.empty() && !named)
      alias[node.outputs[0]] = node.inputs[0];
    else
      kept.push_back(std::move(node));
  }
  graph.nodes = std::move(kept);
  dropUnread(graph);
}

} // namespace anybit::quantize
