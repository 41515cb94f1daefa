#include "Emit.h"
#include "OpTable.h"
#include "Tensors.h"

using namespace mlir;
using namespace anybit::onnx;

/// Result 0 is input 0, seen as `dims`, broadcast to `whole`, seen as `result`.
static LogicalResult setBroadcast(NodeContext &ctx, ArrayRef<int64_t> dims, ArrayRef<int64_t> whole,
                                  ArrayRef<int64_t> result) {
  if (const Tensor *constant = ctx.constant(0)) {
    if (!ctx.mayFold(whole, ctx.type(0)))
      return failure();
    return ctx.resultConstant(0, reshaped(broadcast(reshaped(*constant, dims), whole), result)), success();
  }
  if (ctx.checkedCount(whole); ctx.failed())
    return failure();
  Value x = emitReshape(ctx.b, ctx.storedValue(0), dims);
  if (shapeOf(x) != whole)
    x = emitMap(ctx.b, {x}, RankedTensorType::get(whole, tensorType(x).getElementType()),
                [](ImplicitLocOpBuilder &, ValueRange v) { return v[0]; });
  ctx.resultLike(0, emitReshape(ctx.b, x, result));
  return success();
}

static LogicalResult importExpand(NodeContext &ctx) {
  Dims wanted = ctx.ints(1), x(ctx.dims(0).begin(), ctx.dims(0).end());
  if (wanted.size() > x.size())
    x.insert(x.begin(), wanted.size() - x.size(), 1);
  Dims whole = x;
  for (size_t d = 0, lead = x.size() - wanted.size(); d < wanted.size(); ++d) {
    if (x[lead + d] != wanted[d] && x[lead + d] != 1 && wanted[d] != 1)
      return ctx.invalid("the shape " + formatDims(ctx.dims(0)) + " does not expand to " + formatDims(wanted));
    whole[lead + d] = x[lead + d] == 1 ? wanted[d] : x[lead + d];
  }
  return ctx.failed() ? failure() : setBroadcast(ctx, x, whole, whole);
}

static LogicalResult importTile(NodeContext &ctx) {
  Dims repeats = ctx.ints(1), split, whole, result;
  if (!ctx.failed() && int64_t(repeats.size()) != ctx.rank(0))
    return ctx.invalid("the repeats are " + formatDims(repeats) + ", but the input is " + formatDims(ctx.dims(0)));
  if (ctx.checkedCount(repeats); ctx.failed())
    return failure();
  for (auto [dim, repeat] : llvm::zip_equal(ctx.dims(0), repeats)) {
    if (repeat != 1)
      split.push_back(1), whole.push_back(repeat);
    split.push_back(dim), whole.push_back(dim);
  }
  if (ctx.checkedCount(whole); ctx.failed())
    return failure();
  for (auto [dim, repeat] : llvm::zip_equal(ctx.dims(0), repeats))
    result.push_back(dim * repeat);
  return setBroadcast(ctx, split, whole, result);
}

void anybit::onnx::addExpandOps(OpTable &table) {
  table.add("Expand", {8, 13}).inputs(2, 2).constant(2).emit(importExpand).fold(importExpand).notes("constant shape");
  table.add("Tile", {6, 13}).inputs(2, 2).constant(2).emit(importTile).fold(importTile).notes("constant repeats");
}
