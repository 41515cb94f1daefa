//===- QuantizeTestGraph.h - small graphs for tests -------------*- C++ -*-===//
#ifndef ANYBIT_TEST_UNIT_QUANTIZE_QUANTIZETESTGRAPH_H
#define ANYBIT_TEST_UNIT_QUANTIZE_QUANTIZETESTGRAPH_H

#include "Network.h"

#include "llvm/ADT/STLExtras.h"

namespace anybit::quantize {

/// Builds a graph node by node; a node is named after its output.
struct TestGraph {
  onnx::Graph graph;
  int64_t opset = 17;

  explicit TestGraph(std::vector<int64_t> shape) {
    onnx::ValueInfo input{"x", onnx::ElementType::Float, true, {}};
    for (int64_t dim : shape)
      input.dims.push_back({dim, ""});
    graph.inputs.push_back(input);
  }

  onnx::Node &add(const std::string &op, std::vector<std::string> inputs, const std::string &output) {
    graph.nodes.push_back(makeNode(output, op, std::move(inputs), output));
    graph.nodes.back().opset = opset;
    return graph.nodes.back();
  }

  void constant(const std::string &name, std::vector<int64_t> dims, std::vector<float> values) {
    graph.initializers[name] = makeTensor(dims, llvm::ArrayRef<float>(values));
  }

  /// A 1x1 convolution from `channels` to `channels` with weights of 1.
  void conv(const std::string &input, const std::string &output, int64_t channels = 2) {
    constant(output + ".w", {channels, channels, 1, 1}, std::vector<float>(size_t(channels * channels), 1));
    add("Conv", {input, output + ".w"}, output);
  }

  void result(const std::string &name) { graph.outputs.push_back({name, onnx::ElementType::Float, false, {}}); }

  Network prepared() {
    std::vector<onnx::Problem> problems;
    Network network = splitLayers(graph, problems);
    placeQuantizers(network);
    return network;
  }
};

/// The step that gives `output`, or null.
inline const Step *stepOf(const Network &network, llvm::StringRef output) {
  for (const Step &step : network.steps)
    if (llvm::is_contained(step.node.outputs, output))
      return &step;
  return nullptr;
}

/// The steps of one kind, in order.
inline std::vector<const Step *> stepsOf(const Network &network, Step::Kind kind) {
  std::vector<const Step *> result;
  for (const Step &step : network.steps)
    if (step.kind == kind)
      result.push_back(&step);
  return result;
}

} // namespace anybit::quantize

#endif // ANYBIT_TEST_UNIT_QUANTIZE_QUANTIZETESTGRAPH_H
