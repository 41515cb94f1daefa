#include "Emit.h"
#include "OpTable.h"
#include "Window.h"

#include "anybit/Dialect/Msq/IR/Msq.h"

using namespace mlir;
using namespace anybit;
using namespace anybit::onnx;

static Value emitPool(NodeContext &ctx, Value x, const Window &window, msq::PoolKind kind, bool countsPads) {
  Dims dims = {ctx.dims(0)[0], ctx.dims(0)[1]};
  dims.append(window.outputs);
  auto type = RankedTensorType::get(dims, tensorType(x).getElementType());
  return msq::PoolOp::create(ctx.b, type, x, kind, window.kernel, window.strides, window.pads, window.dilations,
                             countsPads);
}

/// Codes are pooled as unsigned bytes; signed ones keep their order when the sign bit is flipped.
static Value flipSign(NodeContext &ctx, Value codes) {
  return emitMap(ctx.b, {codes}, tensorType(codes), [](ImplicitLocOpBuilder &b, ValueRange x) -> Value {
    return arith::XOrIOp::create(b, x[0], emitScalar(b, x[0].getType(), -128));
  });
}

static LogicalResult importPool(NodeContext &ctx, msq::PoolKind kind) {
  std::optional<Dims> kernel = ctx.intsAttr("kernel_shape");
  if (ctx.failed())
    return failure();
  if (ctx.rank(0) < 3 || !kernel || int64_t(kernel->size()) != ctx.rank(0) - 2)
    return ctx.invalid("the input " + formatDims(ctx.dims(0)) +
                       " needs a kernel_shape with one number per spatial "
                       "dimension");
  std::optional<Window> window = resolveWindow(ctx, *kernel);
  if (!window)
    return failure();
  bool countsPads = ctx.intAttr("count_include_pad", 0) != 0;
  bool isSignedCode = ctx.type(0) == ElementType::Int8 && ctx.entry(0).bias == 0;
  Value x = isSignedCode ? flipSign(ctx, ctx.storedValue(0)) : ctx.storedValue(0);
  Value y = emitPool(ctx, x, *window, kind, countsPads);
  ctx.resultLike(0, isSignedCode ? flipSign(ctx, y) : y);
  return success();
}

static LogicalResult importMaxPool(NodeContext &ctx) {
  if (ctx.type(0) != ElementType::Float && ctx.type(0) != ElementType::Int8 && ctx.type(0) != ElementType::UInt8)
    return ctx.unsupported("the input is " + elementName(ctx.type(0)) + ", expected float, int8 or uint8");
  return importPool(ctx, msq::PoolKind::Max);
}

static LogicalResult importAveragePool(NodeContext &ctx) { return importPool(ctx, msq::PoolKind::Average); }

static LogicalResult importGlobalPool(NodeContext &ctx, msq::PoolKind kind) {
  if (ctx.rank(0) != 3 && ctx.rank(0) != 4)
    return ctx.unsupported("the input has rank " + Twine(ctx.rank(0)) + ", expected one or two spatial dimensions");
  ArrayRef<int64_t> spatial = ctx.dims(0).drop_front(2);
  if (llvm::is_contained(spatial, 0))
    return ctx.invalid("the input " + formatDims(ctx.dims(0)) + " has no elements");
  size_t rank = spatial.size();
  Window window{Dims(spatial.begin(), spatial.end()), Dims(rank, 1), Dims(2 * rank, 0), Dims(rank, 1), Dims(rank, 1)};
  ctx.result(0, emitPool(ctx, ctx.value(0), window, kind, false), ElementType::Float);
  return success();
}

void anybit::onnx::addPoolOps(OpTable &table) {
  table.add("MaxPool", {1, 8, 10, 11, 12, 22}).outputs(2).emit(importMaxPool).notes("1-D and 2-D, without Indices");
  table.add("AveragePool", {1, 7, 10, 11, 19, 22}).real(1).emit(importAveragePool).notes("1-D and 2-D");
  table.add("GlobalAveragePool", {1, 22})
      .real(1)
      .emit([](NodeContext &ctx) { return importGlobalPool(ctx, msq::PoolKind::Average); })
      .notes("1-D and 2-D");
  table.add("GlobalMaxPool", {1, 22})
      .real(1)
      .emit([](NodeContext &ctx) { return importGlobalPool(ctx, msq::PoolKind::Max); })
      .notes("1-D and 2-D");
}
