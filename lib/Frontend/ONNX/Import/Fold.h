//===- Fold.h - operators on constants --------------------------*- C++ -*-===//
//
// Folders that serve several operators look at the name of the node. Reals are computed in double and rounded once,
// which for + - * / and square roots of floats is the float32 result; integers wrap at the width of their type.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_LIB_FRONTEND_ONNX_IMPORT_FOLD_H
#define ANYBIT_LIB_FRONTEND_ONNX_IMPORT_FOLD_H

#include "NodeContext.h"

namespace anybit::onnx {

mlir::LogicalResult foldUnary(NodeContext &ctx);
/// Add, Sub, Mul, Div, Pow, Mod, Max, Min, Sum: any number of inputs from the left.
mlir::LogicalResult foldArithmetic(NodeContext &ctx);
mlir::LogicalResult foldCompare(NodeContext &ctx);
mlir::LogicalResult foldWhere(NodeContext &ctx);
mlir::LogicalResult foldCast(NodeContext &ctx);
mlir::LogicalResult foldReduce(NodeContext &ctx);

/// `tensor` with its elements converted to `type`.
Tensor castTensor(const Tensor &tensor, ElementType type);

/// Which axes a reduction reduces, and whether they stay as ones.
struct Reduction {
  Dims axes;
  bool keeps = true;
  Dims result;
};
/// The attributes or the axes input of a Reduce operator.
Reduction resolveReduction(NodeContext &ctx);

} // namespace anybit::onnx

#endif // ANYBIT_LIB_FRONTEND_ONNX_IMPORT_FOLD_H
