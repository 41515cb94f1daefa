#include "Expansion.h"
#include "OpTable.h"

using namespace mlir;
using namespace anybit::onnx;
using llvm::StringRef;

static constexpr StringLiteral microsoft = "com.microsoft";

/// The reals of the codes in input `i`, with scale and zero point in the two inputs behind it.
static std::string dequantizeInput(Expansion &e, unsigned i, int64_t axis = 1) {
  return e.dequantize(e.input(i), e.input(i + 1), e.input(i + 2), axis);
}

/// Result 0 as the codes of `x`, with scale and zero point in inputs `i` and `i` + 1.
static LogicalResult quantizeResult(Expansion &e, const std::string &x, unsigned i) {
  e.op("QuantizeLinear", {x, e.input(i), e.input(i + 1)}, {}, e.result());
  return e.finish();
}

/// A bias of 32 bits, whose scale is the product of those in inputs `x` and `w`, times `factor`.
static std::string dequantizeBias(Expansion &e, NodeContext &ctx, unsigned bias, unsigned x, unsigned w, float factor) {
  if (!ctx.has(bias))
    return "";
  std::string scale = e.op("Mul", {e.input(x), e.input(w)});
  if (factor != 1)
    scale = e.op("Mul", {scale, e.number(factor)});
  return e.dequantize(e.input(bias), scale, "", /*axis=*/0);
}

static LogicalResult importQLinearConv(NodeContext &ctx) {
  Expansion e(ctx);
  std::string x = dequantizeInput(e, 0), w = dequantizeInput(e, 3, /*axis=*/0);
  std::string bias = dequantizeBias(e, ctx, 8, 1, 4, 1);
  return quantizeResult(e, e.op("Conv", {x, w, bias}, e.attributes()), 6);
}

/// A matrix [..., K, N] has one scale per column; a left one [..., M, K] one per row.
static LogicalResult importQLinearMatMul(NodeContext &ctx) {
  Expansion e(ctx);
  int64_t rows = std::max<int64_t>(ctx.rank(0) - 2, 0), columns = std::max<int64_t>(ctx.rank(3) - 1, 0);
  std::string a = dequantizeInput(e, 0, rows), b = dequantizeInput(e, 3, columns);
  return quantizeResult(e, e.op("MatMul", {a, b}), 6);
}

static LogicalResult importQGemm(NodeContext &ctx) {
  Expansion e(ctx);
  bool transposesB = ctx.intAttr("transB", 0) != 0;
  float alpha = ctx.floatAttr("alpha", 1);
  if (ctx.failed())
    return failure();
  std::string a = dequantizeInput(e, 0), b = dequantizeInput(e, 3, transposesB ? 0 : 1);
  std::string c = dequantizeBias(e, ctx, 6, 1, 4, alpha);
  if (ctx.has(7))
    return quantizeResult(e, e.op("Gemm", {a, b, c}, e.attributes()), 7);
  e.op("Gemm", {a, b, c}, e.attributes(), e.result());
  return e.finish();
}

/// QLinearAdd, QLinearMul.
static LogicalResult importQLinearBinary(NodeContext &ctx) {
  Expansion e(ctx);
  std::string a = dequantizeInput(e, 0), b = dequantizeInput(e, 3);
  return quantizeResult(e, e.op(StringRef(ctx.node.op).drop_front(strlen("QLinear")), {a, b}), 6);
}

/// QLinearSigmoid, QLinearLeakyRelu, QLinearAveragePool, QLinearGlobalAveragePool.
static LogicalResult importQLinearUnary(NodeContext &ctx) {
  if (ctx.intAttr("channels_last", 0) != 0)
    return ctx.unsupported("channels_last is 1; put a Transpose in front of it and set it to 0");
  Expansion e(ctx);
  std::string y = e.op(StringRef(ctx.node.op).drop_front(strlen("QLinear")), {dequantizeInput(e, 0)},
                       e.attributes({"channels_last"}));
  return quantizeResult(e, y, 3);
}

/// Its attribute `opset` is the version of Softmax that is meant; before 13 that flattened the axes behind `axis`.
static LogicalResult importQLinearSoftmax(NodeContext &ctx) {
  int64_t axis = ctx.axis(ctx.intAttr("axis", -1), ctx.rank(0)), version = ctx.intAttr("opset", 13);
  if (ctx.failed())
    return failure();
  if (version < 13 && axis != ctx.rank(0) - 1)
    return ctx.unsupported("opset is " + Twine(version) + " and axis " + Twine(axis) +
                           " not the last; convert the model to opset 13 or later first");
  Expansion e(ctx);
  return quantizeResult(e, e.op("Softmax", {dequantizeInput(e, 0)}, {{"axis", Expansion::integer(axis)}}), 3);
}

static LogicalResult importQLinearConcat(NodeContext &ctx) {
  if (ctx.inputs() % 3 != 2)
    return ctx.invalid("it has " + Twine(ctx.inputs()) +
                       " inputs, expected a scale and a zero point, then three for each tensor");
  Expansion e(ctx);
  std::vector<std::string> parts;
  for (unsigned i = 2; i < ctx.inputs(); i += 3)
    parts.push_back(dequantizeInput(e, i));
  return quantizeResult(e, e.op("Concat", parts, e.attributes()), 0);
}

/// QuantizeLinear and DequantizeLinear as ONNX Runtime files them for types that the model's opset does not have yet.
static LogicalResult importSame(NodeContext &ctx) {
  Expansion e(ctx);
  e.op(ctx.node.op, {e.input(0), e.input(1), e.input(2)}, e.attributes(), e.result());
  return e.finish();
}

void anybit::onnx::addQLinearOps(OpTable &table) {
  table.add("QLinearConv", {10})
      .inputs(8, 9)
      .emit(importQLinearConv)
      .notes("as DequantizeLinear, Conv, QuantizeLinear");
  table.add("QLinearMatMul", {10, 21})
      .inputs(8, 8)
      .emit(importQLinearMatMul)
      .notes("as DequantizeLinear, MatMul, QuantizeLinear");
  table.add("QGemm", {1}, microsoft).inputs(6, 9).emit(importQGemm);
  for (StringRef name : {"QLinearAdd", "QLinearMul"})
    table.add(name, {1}, microsoft).inputs(7, 8).emit(importQLinearBinary);
  for (StringRef name : {"QLinearSigmoid", "QLinearLeakyRelu", "QLinearAveragePool", "QLinearGlobalAveragePool"})
    table.add(name, {1}, microsoft)
        .inputs(4, 5)
        .emit(importQLinearUnary)
        .notes("channels_last 0; as DequantizeLinear, the operator, QuantizeLinear");
  table.add("QLinearSoftmax", {1}, microsoft)
      .inputs(4, 5)
      .emit(importQLinearSoftmax)
      .notes("before opset 13 along the last axis only");
  table.add("QLinearConcat", {1}, microsoft).inputs(5, anyNumber).emit(importQLinearConcat);
  for (StringRef name : {"QuantizeLinear", "DequantizeLinear"})
    table.add(name, {1}, microsoft).inputs(2, 3).emit(importSame).notes("as the standard operator");
}
