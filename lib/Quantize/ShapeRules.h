//===- ShapeRules.h - dimensions of results, op by op -----------*- C++ -*-===//
#ifndef ANYBIT_LIB_QUANTIZE_SHAPERULES_H
#define ANYBIT_LIB_QUANTIZE_SHAPERULES_H

#include "Facts.h"

namespace anybit::quantize {

using MaybeDims = std::optional<Dims>;

/// Sizes beyond this are not followed: no tensor of one exists, and sums of two fit.
inline constexpr int64_t largestDim = int64_t(1) << 40;

inline int64_t boundedDim(int64_t dim) { return dim >= 0 && dim <= largestDim ? dim : openDim; }

/// Dimensions that follow from broadcasting.
Dims broadcast(llvm::ArrayRef<int64_t> a, llvm::ArrayRef<int64_t> b);

/// The product of dimensions, open if one of them is.
int64_t product(llvm::ArrayRef<int64_t> dims);

/// The rules for result `index` of one node of opset 17.
class ShapeRules {
public:
  ShapeRules(const Facts &facts, const onnx::Node &node, size_t index)
      : facts(facts), node(node), index(index), first(dimsOf(0)) {}

  MaybeDims run() const;

private:
  const Facts &facts;
  const onnx::Node &node;
  size_t index;
  MaybeDims first;

  bool isLikeInput() const;
  /// Axes from a constant input, as numbers from 0 to `rank` - 1.
  MaybeDims axesOf(size_t input, size_t rank) const;
  MaybeDims dimsOf(size_t input) const {
    return hasInput(node, input) ? facts.of(node.inputs[input]).dims : std::nullopt;
  }

  /// Whole numbers of a constant input; open where an element is not known.
  MaybeDims intsOf(size_t input) const;
  MaybeDims open() const { return first ? MaybeDims(Dims(first->size(), openDim)) : std::nullopt; }
  MaybeDims join() const;
  MaybeDims window() const;
  MaybeDims globalPool() const;
  MaybeDims reduce() const;
  MaybeDims blocks() const;
  MaybeDims flatten() const;
  MaybeDims gemm() const;
  MaybeDims matMul() const;
  MaybeDims reshape() const;
  MaybeDims fromNumbers() const;
  MaybeDims concat() const;
  MaybeDims transpose() const;
  MaybeDims squeeze() const;
  MaybeDims unsqueeze() const;
  MaybeDims split() const;
  MaybeDims gather() const;
  MaybeDims pad() const;
  MaybeDims resize() const;
  MaybeDims ofShape() const;
  int64_t windows(size_t axis, llvm::ArrayRef<int64_t> kernel) const;
};

} // namespace anybit::quantize

#endif // ANYBIT_LIB_QUANTIZE_SHAPERULES_H
