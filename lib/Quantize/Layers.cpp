//===- Layers.cpp - stage S0: layers with an explicit affine --------------===//
#include "Network.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"

#include <cmath>

using namespace llvm;

namespace anybit::quantize {

using onnx::Node;
using onnx::Problem;
using onnx::Tensor;

size_t Layer::channelStride() const { return countOf(ArrayRef<int64_t>(weightDims).drop_front(channelDim + 1)); }

WeightOrder::WeightOrder(const Layer &layer, size_t inputChannels)
    : outputs(layer.channels()), outputsFirst(layer.channelDim == 0) {
  perGroup = layer.weightDims[outputsFirst ? 1 : 0];
  outputsPerGroup = std::max<size_t>(1, outputs / std::max<size_t>(1, inputChannels / perGroup));
  taps = layer.weightDims.size() > 2 ? layer.channelStride() / perGroup : 1;
}

std::vector<std::string> layerInputs(const Network &network) {
  std::vector<std::string> inputs(network.layers.size());
  for (const Step &step : network.steps)
    if (step.kind == Step::Kind::Layer)
      inputs[step.index] = step.node.inputs[0];
  return inputs;
}

namespace {

constexpr float maxHalf = 65504.0f;

class Splitter {
public:
  Splitter(onnx::Graph graph, std::vector<Problem> &problems) : problems(problems) {
    network.graph = std::move(graph);
    nodes = std::move(network.graph.nodes);
    network.graph.nodes.clear();
    gone.resize(nodes.size());
    for (size_t i = 0; i < nodes.size(); ++i)
      for (const std::string &input : nodes[i].inputs)
        readers[input].push_back(i);
    for (const onnx::ValueInfo &output : network.graph.outputs)
      readers[output.name].push_back(nodes.size());
    for (const auto &entry : readers)
      names.insert(entry.getKey());
  }

  Network run() {
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (gone[i])
        continue;
      if (!splitLayer(i))
        network.steps.push_back({Step::Kind::Plain, std::move(nodes[i]), 0});
    }
    markOuter();
    return std::move(network);
  }

private:
  std::vector<Problem> &problems;
  Network network;
  std::vector<Node> nodes;
  std::vector<bool> gone; ///< Nodes that became part of an affine.
  StringMap<std::vector<size_t>> readers;
  StringSet<> names;

  const Tensor *constant(const Node &node, size_t input) const {
    if (input >= node.inputs.size())
      return nullptr;
    auto found = network.graph.initializers.find(node.inputs[input]);
    bool isFloat = found != network.graph.initializers.end() && found->second.type == onnx::ElementType::Float;
    return isFloat ? &found->second : nullptr;
  }

  float number(const Node &node, StringRef name, float otherwise) const {
    auto found = node.attributes.find(name);
    return found == node.attributes.end() ? otherwise : found->second.f;
  }

  bool flag(const Node &node, StringRef name) const {
    auto found = node.attributes.find(name);
    return found != node.attributes.end() && found->second.i != 0;
  }

  std::string fresh(const std::string &hint) {
    std::string name = hint;
    while (!names.insert(name).second)
      name += "_";
    return name;
  }

  /// One number a channel, if `tensor` adds the same to all values of a channel of a layer's output. `inner`:
  /// dimensions behind the channels.
  std::optional<std::vector<float>> perChannel(const Tensor &tensor, size_t channels, unsigned inner) const {
    std::vector<float> values = floatsOf(tensor);
    if (values.size() == 1 && tensor.dims.size() <= inner + 1)
      return std::vector<float>(channels, values[0]);
    bool deepEnough = tensor.dims.size() > inner && values.size() == channels;
    if (!deepEnough || tensor.dims[tensor.dims.size() - 1 - inner] != int64_t(channels))
      return std::nullopt;
    return values;
  }

  bool splitLayer(size_t index);
  std::optional<Layer> startLayer(const Node &node);
  bool addBias(const Node &node, Layer &layer);
  void absorbFollowers(Layer &layer, std::string &value, std::string &accumulator);
  bool absorbNorm(const Node &node, Layer &layer);
  bool absorbAdd(const Node &node, const std::string &value, Layer &layer);
  bool checkWeights(const Layer &layer);
  void markOuter();
};

std::optional<Layer> Splitter::startLayer(const Node &node) {
  if (!node.domain.empty() || !is_contained({"Conv", "Gemm", "MatMul"}, node.op))
    return std::nullopt;
  const Tensor *weight = constant(node, 1);
  size_t rank = weight ? weight->dims.size() : 0;
  bool matrix = node.op != "Conv";
  bool fits = matrix ? rank == 2 : rank == 3 || rank == 4;
  if (!fits || weight->count() == 0 || flag(node, "transA") || network.graph.initializers.count(node.inputs[0]))
    return std::nullopt;
  Layer layer;
  layer.name = node.name;
  layer.weightName = node.inputs[1];
  layer.weightDims = weight->dims;
  layer.weights = floatsOf(*weight);
  layer.channelDim = node.op == "MatMul" || (node.op == "Gemm" && !flag(node, "transB")) ? 1 : 0;
  layer.channelsLast = node.op == "MatMul";
  layer.outputRank = layer.channelsLast ? 0 : unsigned(rank);
  layer.gain.assign(weight->dims[layer.channelDim], 1.0);
  layer.shift.assign(layer.channels(), 0.0);
  return layer;
}

/// Takes the bias of a Conv or Gemm, and Gemm's factors; false if the node cannot be a layer.
bool Splitter::addBias(const Node &node, Layer &layer) {
  if (node.op == "Gemm") {
    float alpha = number(node, "alpha", 1);
    for (float &weight : layer.weights)
      weight *= alpha;
  }
  if (node.inputs.size() < 3 || node.inputs[2].empty())
    return true;
  const Tensor *bias = constant(node, 2);
  std::optional<std::vector<float>> values = bias ? perChannel(*bias, layer.channels(), 0) : std::nullopt;
  if (!values)
    return false;
  float beta = node.op == "Gemm" ? number(node, "beta", 1) : 1;
  for (size_t c = 0; c < layer.channels(); ++c)
    layer.shift[c] = double((*values)[c]) * beta;
  return true;
}

bool Splitter::absorbNorm(const Node &node, Layer &layer) {
  std::vector<float> parameters[4];
  for (unsigned i = 0; i < 4; ++i) {
    const Tensor *tensor = constant(node, i + 1);
    if (!tensor || tensor->count() != int64_t(layer.channels()))
      return false;
    parameters[i] = floatsOf(*tensor);
  }
  BatchNorm norm{node.name, parameters[0], parameters[1], parameters[2], parameters[3], number(node, "epsilon", 1e-5f)};
  for (size_t c = 0; c < layer.channels(); ++c) {
    double factor = norm.scale[c] / std::sqrt(double(norm.variance[c]) + norm.epsilon);
    norm.mean[c] = float(norm.mean[c] - layer.shift[c]); // The bias in front joins the mean.
    layer.shift[c] = -norm.mean[c] * factor + norm.bias[c];
    layer.gain[c] *= factor;
    if (!std::isfinite(factor))
      problems.push_back({Problem::Kind::Invalid, "node '" + node.name + "' (BatchNormalization): channel " +
                                                      std::to_string(c) + " has a variance of " +
                                                      std::to_string(norm.variance[c]) + "; it must not be negative"});
  }
  layer.norm = std::move(norm);
  return true;
}

bool Splitter::absorbAdd(const Node &node, const std::string &value, Layer &layer) {
  const Tensor *addend = constant(node, node.inputs[0] == value ? 1 : 0);
  unsigned inner = layer.channelsLast ? 0 : layer.outputRank - 2;
  std::optional<std::vector<float>> values = addend ? perChannel(*addend, layer.channels(), inner) : std::nullopt;
  // An addend of higher rank than the value would change the value's shape.
  unsigned limit = layer.channelsLast ? 2 : layer.outputRank;
  if (!values || addend->dims.size() > limit)
    return false;
  for (size_t c = 0; c < layer.channels(); ++c)
    layer.shift[c] += (*values)[c];
  return true;
}

/// Makes constant additions and a batch norm behind the layer part of its affine. `value` is what the affine gives.
void Splitter::absorbFollowers(Layer &layer, std::string &value, std::string &accumulator) {
  while (readers[value].size() == 1 && readers[value][0] < nodes.size()) {
    size_t next = readers[value][0];
    const Node &node = nodes[next];
    bool shared = network.graph.initializers.count(value);
    bool norm = node.op == "BatchNormalization" && !layer.norm && node.inputs[0] == value;
    bool done =
        !shared && node.domain.empty() &&
        ((norm && absorbNorm(node, layer)) || (node.op == "Add" && !layer.norm && absorbAdd(node, value, layer)));
    if (!done)
      return;
    gone[next] = true;
    layer.affineName = node.name;
    if (accumulator.empty())
      accumulator = value;
    value = node.outputs[0];
  }
}

bool Splitter::checkWeights(const Layer &layer) {
  for (float weight : layer.weights)
    if (!(std::fabs(weight) <= maxHalf)) {
      problems.push_back({Problem::Kind::Unsupported,
                          "node '" + layer.name + "': weight " + std::to_string(weight) + " of '" + layer.weightName +
                              "' does not fit float16, whose largest number is 65504; scale the layer down"});
      return false;
    }
  return true;
}

bool Splitter::splitLayer(size_t index) {
  const Node &node = nodes[index];
  std::optional<Layer> layer = startLayer(node);
  if (!layer || !addBias(node, *layer))
    return false;
  checkWeights(*layer);
  std::string value = node.outputs[0], accumulator;
  bool biased = node.inputs.size() > 2 && !node.inputs[2].empty();
  layer->affineName = fresh(node.name + "/affine");
  absorbFollowers(*layer, value, accumulator);
  if (accumulator.empty() || biased)
    accumulator = fresh(node.outputs[0] + "/acc");
  unsigned number = network.layers.size();
  Step compute{Step::Kind::Layer, node, number};
  compute.node.inputs.resize(1);
  compute.node.outputs = {accumulator};
  for (StringRef folded : {"alpha", "beta"})
    compute.node.attributes.erase(folded);
  Step affine{Step::Kind::Affine, {}, number};
  affine.node.name = layer->affineName;
  affine.node.inputs = {accumulator};
  affine.node.outputs = {value};
  network.steps.push_back(std::move(compute));
  network.steps.push_back(std::move(affine));
  network.layers.push_back(std::move(*layer));
  return true;
}

/// A first layer has no layer before it, a last one none behind it.
void Splitter::markOuter() {
  StringSet<> behind, before;
  for (const Step &step : network.steps) {
    bool after = llvm::any_of(step.node.inputs, [&](const std::string &name) { return behind.contains(name); });
    if (step.kind == Step::Kind::Layer && !after)
      network.layers[step.index].outer = true;
    if (after || step.kind == Step::Kind::Layer)
      behind.insert(step.node.outputs.begin(), step.node.outputs.end());
  }
  for (const Step &step : llvm::reverse(network.steps)) {
    bool ahead = llvm::any_of(step.node.outputs, [&](const std::string &name) { return before.contains(name); });
    if (step.kind == Step::Kind::Layer && !ahead)
      network.layers[step.index].outer = true;
    if (ahead || step.kind == Step::Kind::Layer)
      before.insert(step.node.inputs.begin(), step.node.inputs.end());
  }
}

} // namespace

Network splitLayers(onnx::Graph graph, std::vector<Problem> &problems) {
  return Splitter(std::move(graph), problems).run();
}

} // namespace anybit::quantize
