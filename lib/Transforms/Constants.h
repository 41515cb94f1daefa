//===- Constants.h - constants as bytes -------------------------*- C++ -*-===//
#ifndef ANYBIT_LIB_TRANSFORMS_CONSTANTS_H
#define ANYBIT_LIB_TRANSFORMS_CONSTANTS_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"

#include <optional>
#include <vector>

namespace anybit {

/// Bytes of one element in a constant; i1 is one byte.
int64_t constantElementBytes(mlir::Type element);

/// The dense row-major bytes of a constant tensor; splats are expanded.
std::optional<std::vector<char>> constantBytes(mlir::Attribute value);
std::optional<std::vector<char>> constantBytes(mlir::Value value);

/// The elements of a constant float32 or int32 tensor.
std::optional<std::vector<float>> constantReals(mlir::Value value);
std::optional<std::vector<int32_t>> constantIntegers(mlir::Value value);
/// The one element of a constant scalar or splat.
std::optional<float> constantReal(mlir::Value value);
std::optional<int32_t> constantInteger(mlir::Value value);

/// An attribute over `bytes`: dense when small, a resource blob (cheap to make, never uniqued) above 1 KiB.
mlir::ElementsAttr constantAttribute(mlir::RankedTensorType type, std::vector<char> bytes);
mlir::Value createConstant(mlir::OpBuilder &builder, mlir::Location loc, mlir::RankedTensorType type,
                           std::vector<char> bytes);
mlir::Value createConstant(mlir::OpBuilder &builder, mlir::Location loc, llvm::ArrayRef<float> values);
mlir::Value createConstant(mlir::OpBuilder &builder, mlir::Location loc, llvm::ArrayRef<int32_t> values);

} // namespace anybit

#endif // ANYBIT_LIB_TRANSFORMS_CONSTANTS_H
