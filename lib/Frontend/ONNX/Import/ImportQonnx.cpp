#include "Emit.h"
#include "OpTable.h"
#include "Quantizer.h"
#include "Tensors.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace anybit;
using namespace anybit::onnx;

/// The zero point of a QONNX quantizer, a constant that holds whole numbers; nothing after a report.
static std::optional<int64_t> zeroOf(NodeContext &ctx) {
  std::optional<double> zero = ctx.scalar(2);
  if (zero && *zero == std::floor(*zero) && std::abs(*zero) < double(1 << 24))
    return int64_t(*zero);
  (void)ctx.unsupported("the zero point " + ctx.node.inputs[2] + " must be one constant whole number");
  return std::nullopt;
}

/// Widths above 8 bits have no codes: values are rounded to the grid and stay real.
static LogicalResult importWideQuant(NodeContext &ctx, double bits, double zero, bool isSigned, bool isNarrow) {
  std::optional<int64_t> axis;
  Value scale = broadcastParameter(ctx, 1, axis);
  if (!scale)
    return failure();
  double top = std::ldexp(1.0, int(bits) - (isSigned ? 1 : 0)) - 1, bottom = isSigned ? -top - 1 : 0;
  bottom += isSigned && isNarrow;
  top -= !isSigned && isNarrow;
  auto body = [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    auto number = [&](double value) { return emitScalar(b, v[0].getType(), value); };
    Value code = math::RoundEvenOp::create(b, arith::DivFOp::create(b, v[0], v[1]));
    code = arith::AddFOp::create(b, code, number(zero));
    code = arith::MaximumFOp::create(b, code, number(bottom));
    code = arith::MinimumFOp::create(b, code, number(top));
    return arith::MulFOp::create(b, arith::SubFOp::create(b, code, number(zero)), v[1]);
  };
  Value x = ctx.value(0);
  Value y = axis ? emitMapAlong(ctx.b, x, scale, *axis, body) : emitMap(ctx.b, {x, scale}, tensorType(x), body);
  return ctx.result(0, y, ElementType::Float), success();
}

static LogicalResult importQuant(NodeContext &ctx) {
  bool isSigned = ctx.intAttr("signed", 1) != 0, isNarrow = ctx.intAttr("narrow", 0) != 0;
  std::string rounding = ctx.stringAttr("rounding_mode", "ROUND");
  if (rounding != "ROUND" && rounding != "HALF_EVEN")
    return ctx.unsupported("rounding_mode is " + rounding + ", expected ROUND");
  std::optional<int64_t> zero = zeroOf(ctx);
  if (!zero || ctx.failed())
    return failure();
  std::optional<double> bits = ctx.scalar(3);
  if (bits && *bits > 8 && *bits <= 24 && *bits == std::floor(*bits))
    return importWideQuant(ctx, *bits, double(*zero), isSigned, isNarrow);
  if (isNarrow && (!isSigned || *zero != 0))
    return ctx.unsupported("a narrow range needs signed = 1 and the zero point 0");
  bool isBipolar = isSigned && bits == 1.0;
  bool isShifted = isSigned && *zero != 0;
  if (isShifted && (!bits || isBipolar))
    return ctx.unsupported("a signed range with a zero point needs a constant width of at least 2 bits");
  Quantizer quantizer;
  std::optional<int64_t> axis;
  if (!(quantizer.scale = broadcastParameter(ctx, 1, axis)))
    return failure();
  msq::FormatKind kind = isBipolar                ? msq::FormatKind::Odd
                         : isSigned && !isShifted ? msq::FormatKind::Signed
                                                  : msq::FormatKind::Unsigned;
  if (!resolveBits(ctx, 3, kind, isNarrow && !isBipolar, quantizer))
    return failure();
  // Numerics N2 has no signed format with a zero point: the codes are shifted to unsigned ones.
  quantizer.zero = emitZero(ctx, *zero + (isShifted ? int64_t(1) << (int(*bits) - 1) : 0));
  quantizer.axis = axis.value_or(0);
  return setFakeQuantized(ctx, quantizer);
}

static LogicalResult importBipolarQuant(NodeContext &ctx) {
  Quantizer quantizer;
  std::optional<int64_t> axis;
  if (!(quantizer.scale = broadcastParameter(ctx, 1, axis)))
    return failure();
  quantizer.format = msq::FormatAttr::get(ctx.b.getContext(), msq::FormatKind::Odd, 1, false);
  quantizer.zero = emitZero(ctx, 0);
  quantizer.axis = axis.value_or(0);
  return setFakeQuantized(ctx, quantizer);
}

void anybit::onnx::addQonnxOps(OpTable &table) {
  for (StringRef name : {"Quant", "IntQuant"})
    table.add(name, {1, 2}, "qonnx")
        .inputs(4, 4)
        .real(3)
        .emit(importQuant)
        .notes("rounding_mode ROUND; codes above 8 bits stay real");
  table.add("BipolarQuant", {1}, "qonnx").inputs(2, 2).real(3).emit(importBipolarQuant);
}
