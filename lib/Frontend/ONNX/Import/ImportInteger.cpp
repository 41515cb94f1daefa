#include "Expansion.h"
#include "OpTable.h"
#include "Tensors.h"

using namespace mlir;
using namespace anybit::onnx;

/// Sums of whole float32 numbers are exact below this.
static constexpr int64_t exactLimit = int64_t(1) << 24;
/// Weights [-255, 255] are 16·high + low with |high| <= 16 and low in [0, 15].
static constexpr int64_t splitBase = 16;
/// Terms of a sum of codes times whole, or high, weights that is exact.
static constexpr int64_t mostTerms = (exactLimit - 1) / (255 * 255),
                         mostSplitTerms = (exactLimit - 1) / (255 * splitBase);

/// The codes of an operand minus its zero point, as reals: a dequantization where both are known well enough to be
/// computed on integers, else a difference of floats.
static std::string centred(Expansion &e, NodeContext &ctx, unsigned i, unsigned zero, int64_t axis) {
  if (!ctx.has(zero) || ctx.constant(zero))
    return e.dequantize(e.input(i), e.number(1), e.input(zero), axis);
  return e.op("Sub", {e.cast(e.input(i), ElementType::Float), e.cast(e.input(zero), ElementType::Float)});
}

/// The weights minus their zero points, as a constant; nothing if one of them is not constant or does not fit.
static std::optional<std::vector<int64_t>> constantWeights(NodeContext &ctx, int64_t axis) {
  const Tensor *weights = ctx.constant(1), *zeros = ctx.has(3) ? ctx.constant(3) : nullptr;
  if (!weights || (ctx.has(3) && !zeros) || elementBytes(weights->type) != 1)
    return std::nullopt;
  std::vector<int64_t> values = elementsOf<int64_t>(*weights);
  std::vector<int64_t> zero = zeros ? elementsOf<int64_t>(*zeros) : std::vector<int64_t>{0};
  int64_t inner = 1;
  for (int64_t dim : ArrayRef<int64_t>(weights->dims).drop_front(std::min<size_t>(axis + 1, weights->dims.size())))
    inner *= dim;
  bool perSlice = zero.size() > 1;
  if (zero.empty() || (perSlice && int64_t(zero.size()) != weights->dims[axis]))
    return std::nullopt;
  for (auto [i, value] : llvm::enumerate(values))
    value -= perSlice ? zero[i / std::max<int64_t>(inner, 1) % zero.size()] : zero[0];
  return values;
}

/// `values` as an int8 constant and its reals. They are codes of 8 bits: |value| <= 127.
static std::string weightsFrom(Expansion &e, ArrayRef<int64_t> dims, const std::vector<int64_t> &values) {
  return e.dequantize(e.constant(tensorOf(ElementType::Int8, dims, values)), e.number(1), "");
}

namespace {
/// An integer product x * w of reals that hold whole numbers.
using Product = llvm::function_ref<std::string(const std::string &weights)>;
} // namespace

/// The product in two parts whose sums are exact, put together on int32.
static LogicalResult emitSplit(Expansion &e, const std::string &high, const std::string &low, Product product) {
  std::string upper = e.cast(product(high), ElementType::Int32), lower = e.cast(product(low), ElementType::Int32);
  std::string scaled = e.op("Mul", {upper, e.constant(scalarTensor(ElementType::Int32, splitBase))});
  e.op("Add", {scaled, lower}, {}, e.result());
  return e.finish();
}

static LogicalResult emitSplitConstant(Expansion &e, NodeContext &ctx, const std::vector<int64_t> &weights,
                                       Product product) {
  std::vector<int64_t> high(weights.size()), low(weights.size());
  for (size_t i = 0; i < weights.size(); ++i) {
    low[i] = weights[i] & (splitBase - 1);
    high[i] = (weights[i] - low[i]) / splitBase;
  }
  return emitSplit(e, weightsFrom(e, ctx.dims(1), high), weightsFrom(e, ctx.dims(1), low), product);
}

static LogicalResult emitSplitComputed(Expansion &e, NodeContext &ctx, int64_t axis, Product product) {
  std::string weights = centred(e, ctx, 1, 3, axis);
  std::string high = e.op("Floor", {e.op("Mul", {weights, e.number(1.0 / splitBase)})});
  std::string low = e.op("Sub", {weights, e.op("Mul", {high, e.number(splitBase)})});
  return emitSplit(e, high, low, product);
}

/// The int32 result of `product`, whose sums have `terms` terms; `axis` of the weights is that of their zero points.
static LogicalResult emitInteger(Expansion &e, NodeContext &ctx, int64_t terms, int64_t axis, Product product) {
  if (terms > mostSplitTerms)
    return ctx.unsupported("its sums have " + Twine(terms) + " terms; at most " + Twine(mostSplitTerms) +
                           " are exact; split it into parts that are added");
  if (terms > mostTerms) {
    if (std::optional<std::vector<int64_t>> weights = constantWeights(ctx, axis))
      return emitSplitConstant(e, ctx, *weights, product);
    return emitSplitComputed(e, ctx, axis, product);
  }
  e.cast(product(centred(e, ctx, 1, 3, axis)), ElementType::Int32, e.result());
  return e.finish();
}

/// A zero point of the left operand that is no single number.
static LogicalResult checkZeroPoints(NodeContext &ctx) {
  if (!ctx.has(2) || countOf(ctx.dims(2)) == 1)
    return success();
  return ctx.unsupported("the zero point " + ctx.node.inputs[2] + " is " + formatDims(ctx.dims(2)) +
                         "; one number for the whole input is implemented");
}

static LogicalResult importMatMulInteger(NodeContext &ctx) {
  if (failed(checkZeroPoints(ctx)))
    return failure();
  if (ctx.rank(0) == 0 || ctx.rank(1) == 0)
    return ctx.invalid("its operands must have a rank of at least 1");
  Expansion e(ctx);
  std::string x = centred(e, ctx, 0, 2, 0);
  return emitInteger(e, ctx, ctx.dims(0).back(), ctx.rank(1) - 1,
                     [&](const std::string &w) { return e.op("MatMul", {x, w}); });
}

static LogicalResult importConvInteger(NodeContext &ctx) {
  if (failed(checkZeroPoints(ctx)))
    return failure();
  std::optional<int64_t> terms = ctx.rank(1) < 3 ? std::nullopt : countOf(ctx.dims(1).drop_front());
  if (!terms)
    return ctx.invalid("the weights are " + formatDims(ctx.dims(1)) + ", expected a rank of at least 3");
  Expansion e(ctx);
  std::string x = centred(e, ctx, 0, 2, 0);
  return emitInteger(e, ctx, *terms, 0, [&](const std::string &w) { return e.op("Conv", {x, w}, e.attributes()); });
}

/// The range of x with 0 in it sets the scale; the codes are N2's encode with it.
static LogicalResult importDynamicQuantizeLinear(NodeContext &ctx) {
  Expansion e(ctx);
  Expansion::Attributes whole = {{"keepdims", Expansion::integer(0)}};
  std::string zero = e.number(0), top = e.number(255);
  std::string low = e.op("Min", {e.op("ReduceMin", {e.input(0)}, whole), zero});
  std::string high = e.op("Max", {e.op("ReduceMax", {e.input(0)}, whole), zero});
  std::string range = e.op("Sub", {high, low});
  std::string step = e.op("Div", {range, top});
  std::string scale = e.op("Where", {e.op("Equal", {range, zero}), e.number(1), step}, {}, e.result(1));
  std::string moved = e.op("Clip", {e.op("Sub", {zero, e.op("Div", {low, scale})}), zero, top});
  std::string point = e.op("Round", {moved});
  std::string codes = e.op("Add", {e.op("Round", {e.op("Div", {e.input(0), scale})}), point});
  e.cast(e.op("Clip", {codes, zero, top}), ElementType::UInt8, e.result(0));
  if (ctx.wants(2))
    e.cast(point, ElementType::UInt8, e.result(2));
  return e.finish();
}

void anybit::onnx::addIntegerOps(OpTable &table) {
  table.add("MatMulInteger", {10})
      .inputs(2, 4)
      .emit(importMatMulInteger)
      .notes("sums of at most 4112 terms; one zero point for A");
  table.add("ConvInteger", {10})
      .inputs(2, 4)
      .emit(importConvInteger)
      .notes("1-D and 2-D; sums of at most 4112 terms; one zero point for x");
  table.add("DynamicQuantizeLinear", {11}).outputs(3).real(1).emit(importDynamicQuantizeLinear);
}
