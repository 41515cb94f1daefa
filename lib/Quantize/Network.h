//===- Network.h - a float network prepared for calibration -----*- C++ -*-===//
//
// Stage S0: the graph as a list of steps in topological order. Every Conv, Gemm and MatMul with constant weights is a
// layer followed by an explicit per-channel affine; quantizers stand where the compiler can keep codes between layers.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_LIB_QUANTIZE_NETWORK_H
#define ANYBIT_LIB_QUANTIZE_NETWORK_H

#include "Candidates.h"

#include "anybit/Frontend/ONNX/Graph.h"

#include <optional>
#include <string>
#include <vector>

namespace anybit::quantize {

/// Parameters of a BatchNormalization, one number a channel.
struct BatchNorm {
  std::string name;
  std::vector<float> scale, bias, mean, variance;
  float epsilon = 1e-5f;
};

/// A Conv, Gemm or MatMul with constant weights, and the affine behind it.
struct Layer {
  std::string name;
  std::string weightName;
  llvm::SmallVector<int64_t, 4> weightDims;
  unsigned channelDim = 0;    ///< Dimension of `weightDims` that counts output channels.
  std::vector<float> weights; ///< Of the float network.
  bool channelsLast = false;  ///< Output channels are the last dimension of the output (MatMul), else dimension 1.
  unsigned outputRank = 0;    ///< 0 for MatMul, whose rank depends on its input.
  std::vector<double> gain;   ///< The float network's affine: y = acc * gain + shift.
  std::vector<double> shift;
  std::optional<BatchNorm> norm; ///< Set if the file has a batch norm here; it is written back as one.
  std::string affineName;
  bool outer = false; ///< A first or a last layer.

  size_t channels() const { return gain.size(); }
  /// Weights are [outer][channels][inner]; this is `inner`.
  size_t channelStride() const;
};

/// Where a layer's weights are. An output channel has `taps` for each of the `perGroup` input channels of its group.
struct WeightOrder {
  size_t perGroup = 1, outputsPerGroup = 1, taps = 1;
  size_t outputs;
  bool outputsFirst;

  WeightOrder(const Layer &layer, size_t inputChannels);

  /// The input channel of a weight.
  size_t inputOf(size_t output, size_t withinGroup) const { return output / outputsPerGroup * perGroup + withinGroup; }

  size_t indexOf(size_t output, size_t withinGroup, size_t tap) const {
    return outputsFirst ? (output * perGroup + withinGroup) * taps + tap : withinGroup * outputs + output;
  }
};

/// One activation quantizer: all tensors of a site share scale, zero point and width (they meet in a concat).
struct Site {
  std::string name;
  std::vector<std::string> sources; ///< Tensors that it quantizes.
  std::vector<unsigned> readers;    ///< Layers that read its codes; empty for a residual edge or a table's input.
  bool wide = false;                ///< 8 bits at every candidate.
};

struct Step {
  enum class Kind { Plain, Layer, Affine, Quantizer };
  Kind kind = Kind::Plain;
  /// Plain: as in the file. Layer: without weights and bias, one input. Affine and Quantizer: one input, one output.
  onnx::Node node;
  unsigned index = 0; ///< Of the layer (Layer, Affine) or the site (Quantizer).
};

struct Network {
  onnx::Graph graph; ///< Inputs, outputs and initializers; `nodes` has moved to `steps`.
  std::vector<Step> steps;
  std::vector<Layer> layers;
  std::vector<Site> sites;
};

/// Brings the nodes of `graph` to opset 17, and those of chosen branches in place of each If; what cannot be changed
/// safely is appended to `problems`.
void upgradeToOpset17(onnx::Graph &graph, std::vector<onnx::Problem> &problems);

/// Turns Constant nodes into initializers, folds reshapes of initializers, removes what only names a value a second
/// time (Identity, Dropout) and nodes that nothing reads.
void simplify(onnx::Graph &graph);

/// Splits `graph` (opset 17, simplified) into steps without quantizers, and finds the first and last layers.
Network splitLayers(onnx::Graph graph, std::vector<onnx::Problem> &problems);

/// Puts quantizers into `network`.
void placeQuantizers(Network &network);

/// The tensor that each layer reads.
std::vector<std::string> layerInputs(const Network &network);

/// Number of elements of `dims`.
int64_t countOf(llvm::ArrayRef<int64_t> dims);

/// Whether this op moves values of its first input (of all inputs for Concat) without changing them, so that it may run
/// on codes.
bool movesValues(const onnx::Node &node, const onnx::Graph &graph);

/// The values of a float32 initializer.
std::vector<float> floatsOf(const onnx::Tensor &tensor);
/// The values of an int64 or int32 initializer.
std::vector<int64_t> intsOf(const onnx::Tensor &tensor);
/// A node of the ONNX domain and of opset 17 with one output and no attributes.
onnx::Node makeNode(std::string name, llvm::StringRef op, std::vector<std::string> inputs, std::string output);

onnx::Tensor makeTensor(llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<float> values);
onnx::Tensor makeTensor(llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<int64_t> values);

} // namespace anybit::quantize

#endif // ANYBIT_LIB_QUANTIZE_NETWORK_H
