#include "Quantizer.h"

#include "Emit.h"
#include "Fold.h"
#include "Tensors.h"

using namespace mlir;
using namespace anybit;
using namespace anybit::onnx;

Value anybit::onnx::emitQuantize(ImplicitLocOpBuilder &b, Value x, const Quantizer &q) {
  Type type = tensorType(x).clone(b.getI8Type());
  return msq::QuantizeOp::create(b, type, x, q.scale, q.zero, q.bits, q.format, q.axis);
}

Value anybit::onnx::emitDequantize(ImplicitLocOpBuilder &b, Value codes, const Quantizer &q) {
  Type type = tensorType(codes).clone(b.getF32Type());
  return msq::DequantizeOp::create(b, type, codes, q.scale, q.zero, q.bits, q.format, q.axis);
}

Value anybit::onnx::broadcastParameter(NodeContext &ctx, unsigned i, std::optional<int64_t> &axis) {
  ArrayRef<int64_t> dims = ctx.dims(i), x = ctx.dims(0);
  std::optional<int64_t> along;
  bool fits = dims.size() <= x.size() || *countOf(dims) == 1;
  for (size_t d = 0; fits && d < dims.size(); ++d) {
    if (dims[d] == 1)
      continue;
    int64_t place = d + x.size() - dims.size();
    fits = !along && dims[d] == x[place];
    along = place;
  }
  if (!fits || (along && axis && *along != *axis)) {
    (void)ctx.unsupported("the parameter " + ctx.node.inputs[i] + " " + formatDims(dims) + " for an input " +
                          formatDims(x) + " is neither one number nor one per slice of a single dimension");
    return {};
  }
  axis = along ? along : axis;
  const Tensor *constant = ctx.constant(i);
  bool isOtherInteger = constant && !isRealType(constant->type) && constant->type != ElementType::Int32;
  Value value =
      isOtherInteger ? ctx.materialise(castTensor(*constant, ElementType::Int32), ctx.node.inputs[i]) : ctx.value(i);
  return emitReshape(ctx.b, value, along ? Dims{x[*along]} : Dims());
}

bool anybit::onnx::checkScales(NodeContext &ctx, unsigned i, bool quantizes) {
  const Tensor *scales = ctx.constant(i);
  if (!scales || !isRealType(scales->type))
    return true;
  for (double scale : elementsOf<double>(*scales))
    if (!std::isfinite(scale) || (quantizes && scale <= 0))
      return succeeded(ctx.invalid("the scale " + ctx.node.inputs[i] + " holds " + std::to_string(scale) +
                                   "; scales must be finite" + (quantizes ? " and positive" : "")));
  return true;
}

Value anybit::onnx::emitZero(NodeContext &ctx, int64_t value) {
  auto type = RankedTensorType::get({}, ctx.b.getI32Type());
  return arith::ConstantOp::create(ctx.b, type, DenseElementsAttr::get(type, int32_t(value)));
}

Value anybit::onnx::emitToI32(ImplicitLocOpBuilder &b, Value value, bool isUnsigned) {
  Type element = tensorType(value).getElementType(), i32 = b.getI32Type();
  if (element == i32)
    return value;
  auto type = cast<RankedTensorType>(tensorType(value).clone(i32));
  return emitMap(b, {value}, type, [&](ImplicitLocOpBuilder &body, ValueRange x) -> Value {
    if (isa<FloatType>(element))
      return arith::FPToSIOp::create(body, i32, x[0]);
    if (element.getIntOrFloatBitWidth() > 32)
      return arith::TruncIOp::create(body, i32, x[0]);
    return isUnsigned ? Value(arith::ExtUIOp::create(body, i32, x[0])) : Value(arith::ExtSIOp::create(body, i32, x[0]));
  });
}

/// A width that depends on the candidate, as an i64 scalar.
static Value emitBits(NodeContext &ctx, unsigned i) {
  Value bits = emitReshape(ctx.b, ctx.value(i), {});
  Type i64 = ctx.b.getI64Type();
  if (tensorType(bits).getElementType() == i64)
    return bits;
  return emitMap(ctx.b, {bits}, RankedTensorType::get({}, i64), [&](ImplicitLocOpBuilder &b, ValueRange x) -> Value {
    return isa<FloatType>(x[0].getType()) ? Value(arith::FPToSIOp::create(b, i64, x[0]))
                                          : Value(arith::ExtSIOp::create(b, i64, x[0]));
  });
}

bool anybit::onnx::resolveBits(NodeContext &ctx, unsigned i, msq::FormatKind kind, bool narrow, Quantizer &quantizer) {
  MLIRContext *context = ctx.b.getContext();
  if (!ctx.constant(i)) {
    bool isLate = !ctx.entry(i).fromInput && countOf(ctx.dims(i)) == 1 && ctx.type(i) != ElementType::Bool;
    if (!isLate)
      return succeeded(ctx.unsupported("the bit width " + ctx.node.inputs[i] +
                                       " must be one number that depends on "
                                       "nothing but the candidate"));
    quantizer.bits = emitBits(ctx, i);
    quantizer.format = msq::FormatAttr::get(context, kind, 8, narrow);
    return true;
  }
  std::optional<double> bits = ctx.scalar(i);
  if (!bits || *bits != std::floor(*bits) || *bits < 1 || *bits > 8)
    return succeeded(ctx.unsupported("the bit width " + ctx.node.inputs[i] +
                                     (bits ? " is " + std::to_string(*bits) : "") +
                                     ", expected a whole number from 1 to 8"));
  if (narrow && *bits < 2)
    return succeeded(ctx.unsupported("a narrow range needs at least 2 bits"));
  quantizer.format = msq::FormatAttr::get(context, kind, unsigned(*bits), narrow);
  return true;
}

LogicalResult anybit::onnx::setFakeQuantized(NodeContext &ctx, const Quantizer &quantizer) {
  Value codes = emitQuantize(ctx.b, ctx.value(0), quantizer);
  ctx.result(0, emitDequantize(ctx.b, codes, quantizer), ElementType::Float);
  return success();
}
