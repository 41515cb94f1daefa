//===- Facts.h - what is known of values before anything runs ---*- C++ -*-===//
//
// Types, dimensions and small constants of a graph of opset 17, as far as they follow from its inputs and initializers.
// Nothing here reports: what does not follow, or does not fit together, is unknown.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_LIB_QUANTIZE_FACTS_H
#define ANYBIT_LIB_QUANTIZE_FACTS_H

#include "anybit/Frontend/ONNX/Graph.h"

#include <optional>
#include <vector>

namespace anybit::quantize {

/// Dimensions of a value; `openDim` where one is not known.
using Dims = llvm::SmallVector<int64_t, 4>;
inline constexpr int64_t openDim = -1;

/// The elements of a small tensor of rank 0 or 1.
using Numbers = std::vector<std::optional<double>>;

struct Fact {
  onnx::ElementType type = onnx::ElementType::Undefined;
  std::optional<Dims> dims;       ///< Nothing where even the rank is not known.
  std::optional<Numbers> numbers; ///< Nothing where the tensor is large, or not a constant at all.
};

class Facts {
public:
  /// Knows the inputs and the initializers of `graph`, also those that it gets later.
  explicit Facts(const onnx::Graph &graph);

  /// Learns what follows for the results of `node`. Nodes come in topological order.
  void learn(const onnx::Node &node);

  Fact of(llvm::StringRef name) const;
  /// The only element of a constant.
  std::optional<double> numberOf(llvm::StringRef name) const;

private:
  const onnx::Graph &graph;
  llvm::StringMap<Fact> facts;
};

int64_t attributeInt(const onnx::Node &node, llvm::StringRef name, int64_t otherwise);
std::optional<Dims> attributeInts(const onnx::Node &node, llvm::StringRef name);
llvm::StringRef attributeText(const onnx::Node &node, llvm::StringRef name, llvm::StringRef otherwise);

/// Whether `node` has an input at `index` that is not left out.
bool hasInput(const onnx::Node &node, size_t index);

/// `axes` as numbers from 0 to `rank` - 1; nothing if one is out of range.
std::optional<Dims> normalizedAxes(llvm::ArrayRef<int64_t> axes, size_t rank);

/// The dimensions that a Shape node gives of an input of `rank` dimensions: from the first number up to the second.
std::pair<int64_t, int64_t> shapeRange(const onnx::Node &node, int64_t rank);

/// The dimensions of result `index` of `node`, a node of opset 17.
std::optional<Dims> resultDims(const Facts &facts, const onnx::Node &node, size_t index);

} // namespace anybit::quantize

#endif // ANYBIT_LIB_QUANTIZE_FACTS_H
