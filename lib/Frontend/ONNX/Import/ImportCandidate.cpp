//===- ImportCandidate.cpp - functions of the domain ai.anybit (convention C3) -===//
#include "Emit.h"
#include "OpTable.h"
#include "Quantizer.h"

using namespace mlir;
using namespace anybit;
using namespace anybit::onnx;

static LogicalResult importMixBands(NodeContext &ctx) {
  std::string layoutName = ctx.stringAttr("layout", ""), waveletName = ctx.stringAttr("wavelet", "");
  std::optional<msq::BandLayout> layout = msq::symbolizeBandLayout(layoutName);
  std::optional<msq::Wavelet> wavelet = msq::symbolizeWavelet(waveletName);
  int64_t groups = ctx.intAttr("group", 1);
  if (!layout || !wavelet)
    return ctx.invalid("layout is \"" + layoutName + "\" and wavelet is \"" + waveletName +
                       "\", expected none, tile, matrix, plane or spatial, and haar or db2");
  if (ctx.rank(0) < 2 || ctx.rank(0) > 4 || groups < 1 || ctx.dims(0)[0] % groups != 0)
    return ctx.invalid("the weights " + formatDims(ctx.dims(0)) + " are not a kernel of " + Twine(groups) + " groups");
  if (ctx.rank(1) != 1 || ctx.dims(1)[0] != 4)
    return ctx.invalid("the band factors are " + formatDims(ctx.dims(1)) + ", expected [4]");
  Value weights = ctx.value(0);
  ctx.result(
      0, msq::MixBandsOp::create(ctx.b, weights.getType(), weights, ctx.value(1), *layout, *wavelet, uint64_t(groups)),
      ElementType::Float);
  return success();
}

/// FakeQuantSigned(x, scale, bits), FakeQuantOdd(x, scale, bits), FakeQuantUnsigned(x, scale, zero_point, bits).
static LogicalResult importFakeQuant(NodeContext &ctx, msq::FormatKind kind) {
  Quantizer quantizer;
  std::optional<int64_t> axis;
  bool hasZero = kind == msq::FormatKind::Unsigned;
  if (hasZero && (ctx.type(2) == ElementType::Float || ctx.type(2) == ElementType::Bool))
    return ctx.invalid("the zero point is " + elementName(ctx.type(2)) + ", expected integers");
  if (!(quantizer.scale = broadcastParameter(ctx, 1, axis)))
    return failure();
  quantizer.zero = hasZero ? broadcastParameter(ctx, 2, axis) : emitZero(ctx, 0);
  if (!quantizer.zero || !resolveBits(ctx, hasZero ? 3 : 2, kind, /*narrow=*/false, quantizer))
    return failure();
  quantizer.zero = emitToI32(ctx.b, quantizer.zero, ctx.type(hasZero ? 2 : 1) == ElementType::UInt8);
  quantizer.axis = axis.value_or(0);
  return setFakeQuantized(ctx, quantizer);
}

void anybit::onnx::addCandidateOps(OpTable &table) {
  constexpr StringLiteral domain = "ai.anybit";
  table.add("MixBands", {1}, domain).inputs(2, 2).real(3).emit(importMixBands).notes("weights of rank 2 to 4");
  table.add("FakeQuantSigned", {1}, domain).inputs(3, 3).real(3).emit([](NodeContext &ctx) {
    return importFakeQuant(ctx, msq::FormatKind::Signed);
  });
  table.add("FakeQuantOdd", {1}, domain).inputs(3, 3).real(3).emit([](NodeContext &ctx) {
    return importFakeQuant(ctx, msq::FormatKind::Odd);
  });
  table.add("FakeQuantUnsigned", {1}, domain).inputs(4, 4).real(3).emit([](NodeContext &ctx) {
    return importFakeQuant(ctx, msq::FormatKind::Unsigned);
  });
}
