//===- Quantizer.h - scale, zero point and format ---------------*- C++ -*-===//
#ifndef ANYBIT_LIB_FRONTEND_ONNX_IMPORT_QUANTIZER_H
#define ANYBIT_LIB_FRONTEND_ONNX_IMPORT_QUANTIZER_H

#include "NodeContext.h"

#include "anybit/Dialect/Msq/IR/Msq.h"

namespace anybit::onnx {

/// The operands and attributes of `msq.quantize` and `msq.dequantize`.
struct Quantizer {
  mlir::Value scale, zero, bits; ///< `bits` is null where the format says the width.
  msq::FormatAttr format;
  int64_t axis = 0;
};

mlir::Value emitQuantize(mlir::ImplicitLocOpBuilder &b, mlir::Value x, const Quantizer &quantizer);
mlir::Value emitDequantize(mlir::ImplicitLocOpBuilder &b, mlir::Value codes, const Quantizer &quantizer);

/// A parameter that broadcasts to the input by the rules of ONNX, as a scalar or as a vector along `axis`, which is set
/// then. Constant integers become i32. Null after a report: parameters that vary along two dimensions are blocked.
mlir::Value broadcastParameter(NodeContext &ctx, unsigned i, std::optional<int64_t> &axis);

/// Checks constant scales in input `i`, numerics N2: finite, and positive where reals are quantized by them. Reports.
bool checkScales(NodeContext &ctx, unsigned i, bool quantizes);

/// An i32 scalar.
mlir::Value emitZero(NodeContext &ctx, int64_t value);
/// Integers as i32.
mlir::Value emitToI32(mlir::ImplicitLocOpBuilder &b, mlir::Value value, bool isUnsigned);

/// Fills in the width: the constant input `i` goes into the format, one that depends on the candidate is an operand.
/// False after a report.
bool resolveBits(NodeContext &ctx, unsigned i, msq::FormatKind kind, bool narrow, Quantizer &quantizer);

/// Sets result 0 to the values that are left of input 0 after quantization.
mlir::LogicalResult setFakeQuantized(NodeContext &ctx, const Quantizer &quantizer);

} // namespace anybit::onnx

#endif // ANYBIT_LIB_FRONTEND_ONNX_IMPORT_QUANTIZER_H
