#include "Emit.h"
#include "Fold.h"
#include "OpTable.h"
#include "Tensors.h"

#include "anybit/Dialect/Msq/IR/Msq.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace anybit;
using namespace anybit::onnx;

static Value scalarLike(ImplicitLocOpBuilder &b, Value x, double value) { return emitScalar(b, x.getType(), value); }

static Value emitSigmoid(ImplicitLocOpBuilder &b, Value x) {
  Value power = math::ExpOp::create(b, arith::NegFOp::create(b, x));
  Value one = scalarLike(b, x, 1);
  return arith::DivFOp::create(b, one, arith::AddFOp::create(b, one, power));
}

/// max(0, min(1, scaled + beta))
static Value emitHardLine(ImplicitLocOpBuilder &b, Value scaled, float beta) {
  Value line = arith::AddFOp::create(b, scaled, scalarLike(b, scaled, beta));
  Value above = arith::MaximumFOp::create(b, line, scalarLike(b, scaled, 0));
  return arith::MinimumFOp::create(b, above, scalarLike(b, scaled, 1));
}

/// x where it is at least 0, else `other`.
static Value emitUnlessNegative(ImplicitLocOpBuilder &b, Value x, Value other) {
  Value isNegative = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, scalarLike(b, x, 0));
  return arith::SelectOp::create(b, isNegative, other, x);
}

/// A function of one real without attributes.
template <typename Op> static LogicalResult importReal(NodeContext &ctx) {
  return emitElementwise(ctx, {0}, ElementType::Float,
                         [](ImplicitLocOpBuilder &b, ValueRange x) -> Value { return Op::create(b, x[0]); });
}

static LogicalResult importReciprocal(NodeContext &ctx) {
  return emitElementwise(ctx, {0}, ElementType::Float, [](ImplicitLocOpBuilder &b, ValueRange x) -> Value {
    return arith::DivFOp::create(b, scalarLike(b, x[0], 1), x[0]);
  });
}

static LogicalResult importSigmoid(NodeContext &ctx) {
  return emitElementwise(ctx, {0}, ElementType::Float,
                         [](ImplicitLocOpBuilder &b, ValueRange x) { return emitSigmoid(b, x[0]); });
}

static LogicalResult importHardSigmoid(NodeContext &ctx) {
  float alpha = ctx.floatAttr("alpha", 0.2f), beta = ctx.floatAttr("beta", 0.5f);
  return emitElementwise(ctx, {0}, ElementType::Float, [&](ImplicitLocOpBuilder &b, ValueRange x) {
    return emitHardLine(b, arith::MulFOp::create(b, x[0], scalarLike(b, x[0], alpha)), beta);
  });
}

static LogicalResult importHardSwish(NodeContext &ctx) {
  return emitElementwise(ctx, {0}, ElementType::Float, [](ImplicitLocOpBuilder &b, ValueRange x) -> Value {
    Value sixth = arith::DivFOp::create(b, x[0], scalarLike(b, x[0], 6)); // numerics N5: x/6, not x times a rounded 1/6
    return arith::MulFOp::create(b, x[0], emitHardLine(b, sixth, 0.5f));
  });
}

static LogicalResult importLeakyRelu(NodeContext &ctx) {
  float alpha = ctx.floatAttr("alpha", 0.01f);
  return emitElementwise(ctx, {0}, ElementType::Float, [&](ImplicitLocOpBuilder &b, ValueRange x) {
    return emitUnlessNegative(b, x[0], arith::MulFOp::create(b, x[0], scalarLike(b, x[0], alpha)));
  });
}

static LogicalResult importElu(NodeContext &ctx) {
  float alpha = ctx.floatAttr("alpha", 1.0f);
  return emitElementwise(ctx, {0}, ElementType::Float, [&](ImplicitLocOpBuilder &b, ValueRange x) {
    Value power = math::ExpOp::create(b, x[0]);
    Value less = arith::SubFOp::create(b, power, scalarLike(b, x[0], 1));
    return emitUnlessNegative(b, x[0], arith::MulFOp::create(b, less, scalarLike(b, x[0], alpha)));
  });
}

static LogicalResult importPRelu(NodeContext &ctx) {
  if (ctx.broadcastDims({0, 1}) != Dims(ctx.dims(0).begin(), ctx.dims(0).end()))
    return ctx.invalid("the slope " + formatDims(ctx.dims(1)) + " does not broadcast to the input " +
                       formatDims(ctx.dims(0)));
  return emitElementwise(ctx, {0, 1}, ElementType::Float, [](ImplicitLocOpBuilder &b, ValueRange x) {
    return emitUnlessNegative(b, x[0], arith::MulFOp::create(b, x[0], x[1]));
  });
}

static LogicalResult importGelu(NodeContext &ctx) {
  std::string kind = ctx.stringAttr("approximate", "none");
  if (kind != "none")
    return ctx.unsupported("approximate is " + kind + ", expected none");
  return emitElementwise(ctx, {0}, ElementType::Float, [](ImplicitLocOpBuilder &b, ValueRange x) -> Value {
    Value scaled = arith::DivFOp::create(b, x[0], scalarLike(b, x[0], std::sqrt(2.0)));
    Value sum = arith::AddFOp::create(b, math::ErfOp::create(b, scaled), scalarLike(b, x[0], 1));
    Value half = arith::MulFOp::create(b, x[0], scalarLike(b, x[0], 0.5));
    return arith::MulFOp::create(b, half, sum);
  });
}

//===----------------------------------------------------------------------===//
// Functions of reals and integers
//===----------------------------------------------------------------------===//

static LogicalResult checkNumber(NodeContext &ctx) {
  if (ctx.type(0) == ElementType::Bool || ctx.type(0) == ElementType::UInt8)
    return ctx.unsupported("the input is " + elementName(ctx.type(0)) + ", expected float, int64, int32 or int8");
  return success();
}

static LogicalResult importAbsOrNeg(NodeContext &ctx) {
  if (failed(checkNumber(ctx)))
    return failure();
  bool isAbs = ctx.node.op == "Abs";
  return emitElementwise(ctx, {0}, ctx.type(0), [&](ImplicitLocOpBuilder &b, ValueRange x) -> Value {
    if (isa<FloatType>(x[0].getType()))
      return isAbs ? Value(math::AbsFOp::create(b, x[0])) : Value(arith::NegFOp::create(b, x[0]));
    Value negated = arith::SubIOp::create(b, scalarLike(b, x[0], 0), x[0]);
    return isAbs ? Value(arith::MaxSIOp::create(b, x[0], negated)) : negated;
  });
}

static LogicalResult importRelu(NodeContext &ctx) {
  if (failed(checkNumber(ctx)))
    return failure();
  return emitElementwise(ctx, {0}, ctx.type(0), [](ImplicitLocOpBuilder &b, ValueRange x) -> Value {
    Value zero = scalarLike(b, x[0], 0);
    return isa<FloatType>(x[0].getType()) ? Value(arith::MaximumFOp::create(b, x[0], zero))
                                          : Value(arith::MaxSIOp::create(b, x[0], zero));
  });
}

//===----------------------------------------------------------------------===//
// Clip
//===----------------------------------------------------------------------===//

namespace {
struct Bounds {
  std::optional<double> low, high;
};
} // namespace

/// The bounds of a Clip: attributes up to opset 10, inputs since.
static std::optional<Bounds> resolveBounds(NodeContext &ctx) {
  Bounds bounds;
  if (ctx.opset() < 11) {
    if (ctx.hasAttribute("min"))
      bounds.low = ctx.floatAttr("min", 0);
    if (ctx.hasAttribute("max"))
      bounds.high = ctx.floatAttr("max", 0);
    return ctx.failed() ? std::nullopt : std::optional(bounds);
  }
  for (unsigned i : {1u, 2u}) {
    if (!ctx.has(i))
      continue;
    std::optional<double> bound = ctx.scalar(i);
    if (!bound || ctx.type(i) != ctx.type(0)) {
      (void)ctx.invalid("bound " + ctx.node.inputs[i] + " must be one constant number of type " +
                        elementName(ctx.type(0)));
      return std::nullopt;
    }
    (i == 1 ? bounds.low : bounds.high) = bound;
  }
  return bounds;
}

/// The width of the format whose codes are exactly those between the bounds; `isNarrow` says that the lowest is
/// missing.
static unsigned codeWidth(const Bounds &bounds, bool isSigned, bool &isNarrow) {
  for (unsigned bits = 1; bits <= 8 && bounds.low && bounds.high; ++bits) {
    double lowest = isSigned ? -std::ldexp(1.0, bits - 1) : 0;
    double highest = std::ldexp(1.0, isSigned ? bits - 1 : bits) - 1;
    isNarrow = isSigned && bits > 1 && *bounds.low == lowest + 1;
    if (*bounds.high == highest && (*bounds.low == lowest || isNarrow))
      return bits;
  }
  return 0;
}

/// A Clip behind a QuantizeLinear says how wide the codes really are (Brevitas QCDQ): the quantizer becomes a narrower
/// one. Null if the Clip is an ordinary one.
static Value narrowQuantizer(NodeContext &ctx, unsigned bits, bool isNarrow) {
  auto quantize = ctx.storedValue(0).getDefiningOp<msq::QuantizeOp>();
  if (!quantize || bits == 0 || ctx.entry(0).bias != 0)
    return {};
  msq::FormatAttr format = quantize.getFormat();
  if (bits > format.getBits())
    return {};
  auto narrower = msq::FormatAttr::get(ctx.b.getContext(), format.getKind(), bits, isNarrow);
  return msq::QuantizeOp::create(ctx.b, quantize.getType(), quantize.getInput(), quantize.getScale(),
                                 quantize.getZero(), quantize.getBits(), narrower, quantize.getAxis());
}

static bool isCode(NodeContext &ctx) { return ctx.type(0) == ElementType::Int8 || ctx.type(0) == ElementType::UInt8; }

static void noteWidth(NodeContext &ctx, unsigned bits, bool isNarrow) {
  ctx.resultEntry(0).bits = bits;
  ctx.resultEntry(0).narrow = isNarrow;
}

static Value emitClip(ImplicitLocOpBuilder &b, Value x, const Bounds &bounds, bool isUnsigned) {
  bool isReal = isa<FloatType>(x.getType());
  if (bounds.low) {
    Value low = scalarLike(b, x, *bounds.low);
    x = isReal       ? Value(arith::MaximumFOp::create(b, x, low))
        : isUnsigned ? Value(arith::MaxUIOp::create(b, x, low))
                     : Value(arith::MaxSIOp::create(b, x, low));
  }
  if (!bounds.high)
    return x;
  Value high = scalarLike(b, x, *bounds.high);
  return isReal       ? Value(arith::MinimumFOp::create(b, x, high))
         : isUnsigned ? Value(arith::MinUIOp::create(b, x, high))
                      : Value(arith::MinSIOp::create(b, x, high));
}

static LogicalResult importClip(NodeContext &ctx) {
  std::optional<Bounds> bounds = resolveBounds(ctx);
  if (!bounds)
    return failure();
  if (!bounds->low && !bounds->high)
    return ctx.resultAlias(0, ctx.node.inputs[0]), success();
  bool isUnsigned = ctx.type(0) == ElementType::UInt8, isNarrow = false;
  unsigned bits = isCode(ctx) ? codeWidth(*bounds, !isUnsigned, isNarrow) : 0;
  if (Value codes = isCode(ctx) ? narrowQuantizer(ctx, bits, isNarrow) : Value()) {
    ctx.resultLike(0, codes);
    return noteWidth(ctx, bits, isNarrow), success();
  }
  return emitElementwise(ctx, {0}, ctx.type(0),
                         [&](ImplicitLocOpBuilder &b, ValueRange x) { return emitClip(b, x[0], *bounds, isUnsigned); });
}

template <typename T> static std::vector<T> clamped(const Tensor &x, const Bounds &bounds) {
  std::vector<T> values = elementsOf<T>(x);
  for (T &value : values) {
    value = bounds.low ? std::max(value, convertElement<T>(*bounds.low)) : value;
    value = bounds.high ? std::min(value, convertElement<T>(*bounds.high)) : value;
  }
  return values;
}

static LogicalResult foldClip(NodeContext &ctx) {
  std::optional<Bounds> bounds = resolveBounds(ctx);
  if (!bounds)
    return failure();
  const Tensor &x = *ctx.constant(0);
  if (elementBytes(x.type) == 0)
    return ctx.unsupported("the input is " + elementName(x.type));
  if (isRealType(x.type))
    ctx.resultConstant(0, tensorOf(x.type, x.dims, clamped<double>(x, *bounds)));
  else
    ctx.resultConstant(0, tensorOf(x.type, x.dims, clamped<int64_t>(x, *bounds)));
  bool isNarrow = false;
  if (isCode(ctx))
    noteWidth(ctx, codeWidth(*bounds, ctx.type(0) == ElementType::Int8, isNarrow), isNarrow);
  return success();
}

void anybit::onnx::addActivationOps(OpTable &table) {
  table.add("Relu", {6, 13, 14}).emit(importRelu).fold(foldUnary);
  table.add("Abs", {6, 13}).emit(importAbsOrNeg).fold(foldUnary).notes("not of uint8");
  table.add("Neg", {6, 13}).emit(importAbsOrNeg).fold(foldUnary);
  table.add("Clip", {6, 11, 12, 13}).inputs(1, 3).constant(6).emit(importClip).fold(foldClip).notes("constant bounds");
  table.add("Sigmoid", {6, 13}).real(1).emit(importSigmoid).fold(foldUnary);
  table.add("Reciprocal", {6, 13}).real(1).emit(importReciprocal).fold(foldUnary);
  table.add("Sqrt", {6, 13}).real(1).emit(importReal<math::SqrtOp>).fold(foldUnary);
  table.add("Exp", {6, 13}).real(1).emit(importReal<math::ExpOp>).fold(foldUnary);
  table.add("Log", {6, 13}).real(1).emit(importReal<math::LogOp>).fold(foldUnary);
  table.add("Tanh", {6, 13}).real(1).emit(importReal<math::TanhOp>).fold(foldUnary);
  table.add("Erf", {9, 13}).real(1).emit(importReal<math::ErfOp>).fold(foldUnary);
  table.add("Sin", {7, 22}).real(1).emit(importReal<math::SinOp>).fold(foldUnary);
  table.add("Cos", {7, 22}).real(1).emit(importReal<math::CosOp>).fold(foldUnary);
  table.add("Floor", {6, 13}).real(1).emit(importReal<math::FloorOp>).fold(foldUnary);
  table.add("Ceil", {6, 13}).real(1).emit(importReal<math::CeilOp>).fold(foldUnary);
  table.add("Round", {11, 22}).real(1).emit(importReal<math::RoundEvenOp>).fold(foldUnary);
  table.add("HardSigmoid", {6, 22}).real(1).emit(importHardSigmoid);
  table.add("HardSwish", {14, 22}).real(1).emit(importHardSwish);
  table.add("LeakyRelu", {6, 16}).real(1).emit(importLeakyRelu);
  table.add("Elu", {6, 22}).real(1).emit(importElu);
  table.add("PRelu", {7, 9, 16}).inputs(2, 2).real(3).emit(importPRelu);
  table.add("Gelu", {20}).real(1).emit(importGelu).notes("approximate none");
}
