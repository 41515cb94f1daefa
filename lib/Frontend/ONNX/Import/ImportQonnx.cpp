#include "Emit.h"
#include "Expansion.h"
#include "OpTable.h"
#include "Quantizer.h"
#include "Tensors.h"

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

/// The widest codes: float32 holds them exactly. Those above 8 bits stay real.
static constexpr int mostBits = 24;

/// Whether a constant width is one that quantizers have. Reports.
static bool checkWidth(NodeContext &ctx) {
  std::optional<double> bits = ctx.scalar(3);
  if (!ctx.constant(3) || (bits && *bits >= 1 && *bits <= mostBits && *bits == std::floor(*bits)))
    return true;
  return succeeded(ctx.unsupported("the bit width " + ctx.node.inputs[3] +
                                   (bits ? " is " + std::to_string(*bits) : " is not one number") +
                                   ", expected a whole number from 1 to " + Twine(mostBits)));
}

namespace {
/// What the attributes and constant inputs of a Quant say.
struct QuantSpec {
  bool isSigned, isNarrow;
  std::string rounding; ///< In capitals; "ROUND" is half to even.
  double zero;
  std::optional<double> bits; ///< Nothing where the width depends on the candidate.

  double lowest() const { return isSigned ? -std::ldexp(1.0, int(*bits) - 1) + isNarrow : 0; }
  double highest() const { return std::ldexp(1.0, int(*bits) - isSigned) - 1 - (!isSigned && isNarrow); }
  /// Signed and 1 bit wide: -1 and +1, whatever else is said.
  bool isBipolar() const { return isSigned && bits == 1.0; }
};
} // namespace

/// A whole number of two parts, each for one sign of `x`: one of them is zero, or both say the same.
static std::string awayAndBack(Expansion &e, const std::string &forPositive, const std::string &forNegative) {
  return e.op("Add", {e.op("Max", {forPositive, e.number(0)}), e.op("Min", {forNegative, e.number(0)})});
}

/// `x` rounded to a whole number, in float32 and in the order of QONNX's own definition. "" after a report.
static std::string roundedBy(Expansion &e, NodeContext &ctx, const std::string &mode, const std::string &x) {
  auto up = [&](const std::string &value) { return e.op("Ceil", {value}); };
  auto down = [&](const std::string &value) { return e.op("Floor", {value}); };
  auto shifted = [&](double by) { return e.op("Add", {x, e.number(by)}); };
  if (mode == "ROUND")
    return e.op("Round", {x});
  if (mode == "CEIL")
    return up(x);
  if (mode == "FLOOR")
    return down(x);
  if (mode == "UP")
    return awayAndBack(e, up(x), down(x));
  if (mode == "DOWN" || mode == "ROUND_TO_ZERO")
    return awayAndBack(e, down(x), up(x));
  if (mode == "HALF_UP")
    return awayAndBack(e, down(shifted(0.5)), up(shifted(-0.5)));
  if (mode == "HALF_DOWN")
    return awayAndBack(e, up(shifted(-0.5)), down(shifted(0.5)));
  (void)ctx.unsupported("rounding_mode is " + mode +
                        ", expected ROUND, CEIL, FLOOR, UP, DOWN, HALF_UP, HALF_DOWN or ROUND_TO_ZERO");
  return "";
}

/// The values on the grid as float ops, in the order of QONNX: divide, add the zero point, clamp, round, and back.
static std::string emitOnReals(Expansion &e, NodeContext &ctx, const QuantSpec &spec, StringRef result) {
  std::string x = e.op("Div", {e.input(0), e.input(1)});
  if (spec.zero != 0)
    x = e.op("Add", {x, e.number(spec.zero)});
  x = e.op("Clip", {x, e.number(spec.lowest()), e.number(spec.highest())});
  x = roundedBy(e, ctx, spec.rounding, x);
  if (spec.zero != 0 && !x.empty())
    x = e.op("Sub", {x, e.number(spec.zero)});
  return x.empty() ? x : e.op("Mul", {x, e.input(1)}, {}, result);
}

/// A quantizer that numerics N2 does not have: another rounding, or a range of its own. The grid's values are made by
/// float ops; a quantizer of N2, which changes none of them, makes codes of them where they fit 8 bits.
static LogicalResult importOnReals(NodeContext &ctx, QuantSpec spec) {
  if (!spec.bits)
    return ctx.unsupported("the bit width " + ctx.node.inputs[3] + " must be constant for rounding_mode " +
                           spec.rounding + " and narrow " + Twine(int(spec.isNarrow)));
  Expansion e(ctx);
  if (*spec.bits > 8)
    return (void)emitOnReals(e, ctx, spec, e.result()), failure(ctx.failed());
  std::string values = emitOnReals(e, ctx, spec, "");
  if (ctx.failed())
    return failure();
  Expansion::Attributes attributes = {{"signed", Expansion::integer(spec.isSigned)},
                                      {"narrow", Expansion::integer(spec.isNarrow && spec.isSigned && spec.zero == 0)}};
  e.op(ctx.node.op, {values, e.input(1), e.input(2), e.input(3)}, attributes, e.result(), "qonnx");
  return e.finish();
}

static std::optional<QuantSpec> specOf(NodeContext &ctx) {
  std::optional<int64_t> zero = zeroOf(ctx);
  QuantSpec spec;
  spec.isSigned = ctx.intAttr("signed", 1) != 0;
  spec.isNarrow = ctx.intAttr("narrow", 0) != 0;
  spec.rounding = StringRef(ctx.stringAttr("rounding_mode", "ROUND")).upper();
  if (spec.rounding == "HALF_EVEN")
    spec.rounding = "ROUND";
  spec.zero = double(zero.value_or(0));
  spec.bits = ctx.scalar(3);
  bool isSound = zero && checkWidth(ctx) && checkScales(ctx, 1, /*quantizes=*/true) && !ctx.failed();
  return isSound ? std::optional(spec) : std::nullopt;
}

static LogicalResult importQuant(NodeContext &ctx) {
  std::optional<QuantSpec> spec = specOf(ctx);
  if (!spec)
    return failure();
  bool isOwnRange = spec->isNarrow && (!spec->isSigned || spec->zero != 0);
  bool isWide = spec->bits.value_or(0) > 8;
  if (!spec->isBipolar() && (isWide || isOwnRange || spec->rounding != "ROUND"))
    return importOnReals(ctx, *spec);
  bool isShifted = spec->isSigned && spec->zero != 0;
  if (isShifted && (!spec->bits || spec->isBipolar()))
    return ctx.unsupported("the bit width " + ctx.node.inputs[3] +
                           " must be constant and at least 2 where a signed range has a zero point");
  Quantizer quantizer;
  std::optional<int64_t> axis;
  if (!(quantizer.scale = broadcastParameter(ctx, 1, axis)))
    return failure();
  msq::FormatKind kind = spec->isBipolar()              ? msq::FormatKind::Odd
                         : spec->isSigned && !isShifted ? msq::FormatKind::Signed
                                                        : msq::FormatKind::Unsigned;
  if (!resolveBits(ctx, 3, kind, spec->isNarrow && !spec->isBipolar(), quantizer))
    return failure();
  // Numerics N2 has no signed format with a zero point: the codes are shifted to unsigned ones.
  int64_t shift = isShifted ? int64_t(1) << (int(*spec->bits) - 1) : 0;
  quantizer.zero = emitZero(ctx, int64_t(spec->zero) + shift);
  quantizer.axis = axis.value_or(0);
  return setFakeQuantized(ctx, quantizer);
}

static LogicalResult importBipolarQuant(NodeContext &ctx) {
  if (!checkScales(ctx, 1, /*quantizes=*/true))
    return failure();
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
        .notes(
            "constant zero point; scales along at most one dimension; at most 24 bits; codes above 8 bits stay real; "
            "a rounding_mode other than ROUND is computed on reals");
  table.add("BipolarQuant", {1}, "qonnx")
      .inputs(2, 2)
      .real(3)
      .emit(importBipolarQuant)
      .notes("scales along at most one dimension");
}
