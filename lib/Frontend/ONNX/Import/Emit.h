//===- Emit.h - the ops that handlers are made of ---------------*- C++ -*-===//
#ifndef ANYBIT_LIB_FRONTEND_ONNX_IMPORT_EMIT_H
#define ANYBIT_LIB_FRONTEND_ONNX_IMPORT_EMIT_H

#include "NodeContext.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace anybit::onnx {

/// Computes one element from the elements of the operands.
using Body = llvm::function_ref<mlir::Value(mlir::ImplicitLocOpBuilder &, mlir::ValueRange)>;

/// A constant of an integer or real scalar type.
mlir::Value emitScalar(mlir::ImplicitLocOpBuilder &b, mlir::Type type, double value);

/// A tensor of type `type` that holds `value` everywhere.
mlir::Value emitFill(mlir::ImplicitLocOpBuilder &b, mlir::RankedTensorType type, double value);

/// The same elements in row-major order in another shape of as many elements.
mlir::Value emitReshape(mlir::ImplicitLocOpBuilder &b, mlir::Value value, llvm::ArrayRef<int64_t> dims);

/// Dimension d of the result is dimension permutation[d]. A transpose of a transpose becomes one.
mlir::Value emitTranspose(mlir::ImplicitLocOpBuilder &b, mlir::Value value, llvm::ArrayRef<int64_t> permutation);

/// An elementwise `linalg.generic`: operands broadcast by the rules of ONNX to the shape of `type`.
mlir::Value emitMap(mlir::ImplicitLocOpBuilder &b, llvm::ArrayRef<mlir::Value> operands, mlir::RankedTensorType type,
                    Body body);

/// The operand of rank 1 along dimension `axis` of `x`; `body` sees both.
mlir::Value emitMapAlong(mlir::ImplicitLocOpBuilder &b, mlir::Value x, mlir::Value along, int64_t axis, Body body);

/// `emitMap` of the inputs of a node; constants of one element are written into the body. Sets result 0.
mlir::LogicalResult emitElementwise(NodeContext &ctx, llvm::ArrayRef<unsigned> inputs, ElementType result, Body body);

/// Reduces `axes` of `x` by `body(element, accumulator)` from `initial`; the reduced dimensions are dropped.
mlir::Value emitReduce(mlir::ImplicitLocOpBuilder &b, mlir::Value x, llvm::ArrayRef<int64_t> axes, double initial,
                       Body body);

/// A strided box; every index is inside, strides are positive.
mlir::Value emitSlice(mlir::ImplicitLocOpBuilder &b, mlir::Value x, llvm::ArrayRef<int64_t> offsets,
                      llvm::ArrayRef<int64_t> sizes, llvm::ArrayRef<int64_t> strides);

/// The slices `indices` of `x` along `axis`, all inside.
mlir::Value emitTake(mlir::ImplicitLocOpBuilder &b, mlir::Value x, int64_t axis, llvm::ArrayRef<int64_t> indices);

/// One element of `x` per element of `type`: `indices` maps the position in the result to a position in `x`.
mlir::Value emitGatherElements(
    mlir::ImplicitLocOpBuilder &b, mlir::Value x, llvm::ArrayRef<mlir::Value> operands,
    llvm::ArrayRef<mlir::AffineMap> maps, mlir::RankedTensorType type,
    llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::ImplicitLocOpBuilder &, mlir::ValueRange)> indices);

/// The type of an SSA tensor.
mlir::RankedTensorType tensorType(mlir::Value value);
llvm::ArrayRef<int64_t> shapeOf(mlir::Value value);

} // namespace anybit::onnx

#endif // ANYBIT_LIB_FRONTEND_ONNX_IMPORT_EMIT_H
