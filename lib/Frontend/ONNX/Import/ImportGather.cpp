#include "Emit.h"
#include "OpTable.h"
#include "Tensors.h"

#include "anybit/Dialect/Msq/IR/Msq.h"

using namespace mlir;
using namespace anybit;
using namespace anybit::onnx;

/// The shape of Gather: the axis replaced by the dimensions of the indices.
static Dims gatheredDims(NodeContext &ctx, int64_t axis) {
  Dims dims(ctx.dims(0).begin(), ctx.dims(0).end());
  dims.erase(dims.begin() + axis);
  dims.insert(dims.begin() + axis, ctx.dims(1).begin(), ctx.dims(1).end());
  return dims;
}

/// The elements of constant indices, counted from the front; nothing after a report.
static std::optional<Dims> constantIndices(NodeContext &ctx, int64_t dim) {
  const Tensor &tensor = *ctx.constant(1);
  if (tensor.type != ElementType::Int64 && tensor.type != ElementType::Int32) {
    (void)ctx.invalid("its indices are " + elementName(tensor.type) + ", expected int64 or int32");
    return std::nullopt;
  }
  Dims indices;
  for (int64_t index : elementsOf<int64_t>(tensor)) {
    if (index < -dim || index >= dim) {
      (void)ctx.invalid("index " + Twine(index) + " is outside a dimension of " + Twine(dim));
      return std::nullopt;
    }
    indices.push_back(index < 0 ? index + dim : index);
  }
  return indices;
}

static LogicalResult importConstantGather(NodeContext &ctx, int64_t axis) {
  std::optional<Dims> indices = constantIndices(ctx, ctx.dims(0)[axis]);
  Dims dims = gatheredDims(ctx, axis);
  if (!indices || !ctx.mayFold(dims, ctx.type(0)))
    return failure();
  if (const Tensor *table = ctx.constant(0))
    ctx.resultConstant(0, reshaped(takeSlices(*table, axis, *indices), dims));
  else
    ctx.resultLike(0, emitReshape(ctx.b, emitTake(ctx.b, ctx.storedValue(0), axis, *indices), dims));
  return success();
}

/// Convention C2.
static LogicalResult importSelect(NodeContext &ctx) {
  if (ctx.candidates() == 0 || ctx.dims(0)[0] != ctx.candidates())
    return ctx.invalid("the table " + formatDims(ctx.dims(0)) + " must have one row per candidate (convention C2), " +
                       Twine(ctx.candidates()));
  Value table = ctx.value(0);
  auto row = RankedTensorType::get(ctx.dims(0).drop_front(), tensorType(table).getElementType());
  ctx.result(0, msq::SelectOp::create(ctx.b, row, ctx.value(1), table), ctx.type(0));
  return success();
}

/// An index as a position inside a dimension: counted from the front, clamped.
static Value emitSafeIndex(ImplicitLocOpBuilder &b, Value index, int64_t dim) {
  Value zero = emitScalar(b, index.getType(), 0);
  Value fromEnd = arith::AddIOp::create(b, index, emitScalar(b, index.getType(), double(dim)));
  Value isNegative = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, index, zero);
  Value counted = arith::SelectOp::create(b, isNegative, fromEnd, index);
  Value last = emitScalar(b, index.getType(), double(dim - 1));
  Value inside = arith::MinSIOp::create(b, arith::MaxSIOp::create(b, counted, zero), last);
  return arith::IndexCastOp::create(b, b.getIndexType(), inside);
}

/// Rows chosen by a computed tensor, such as an embedding.
static LogicalResult importComputedGather(NodeContext &ctx, int64_t axis) {
  int64_t dim = ctx.dims(0)[axis], rank = ctx.rank(1);
  Dims dims = gatheredDims(ctx, axis);
  if (dim == 0 || dim >= (int64_t(1) << 31))
    return ctx.unsupported("it gathers from a dimension of " + Twine(dim));
  if (ctx.checkedCount(dims); ctx.failed())
    return failure();
  ImplicitLocOpBuilder &b = ctx.b;
  SmallVector<AffineExpr> places;
  for (int64_t d = 0; d < rank; ++d)
    places.push_back(getAffineDimExpr(axis + d, b.getContext()));
  AffineMap map = AffineMap::get(dims.size(), 0, places, b.getContext());
  auto type = RankedTensorType::get(dims, elementTypeOf(b.getContext(), ctx.type(0)));
  auto position = [&](ImplicitLocOpBuilder &inner, ValueRange elements) {
    SmallVector<Value> indices;
    for (int64_t d = 0; d < ctx.rank(0); ++d)
      indices.push_back(d == axis ? emitSafeIndex(inner, elements[0], dim)
                                  : Value(linalg::IndexOp::create(inner, d < axis ? d : d + rank - 1)));
    return indices;
  };
  ctx.resultLike(0, emitGatherElements(b, ctx.storedValue(0), {ctx.value(1)}, {map}, type, position));
  return success();
}

static LogicalResult importGather(NodeContext &ctx) {
  int64_t axis = ctx.axis(ctx.intAttr("axis", 0), ctx.rank(0));
  if (ctx.failed())
    return failure();
  if (ctx.constant(1))
    return importConstantGather(ctx, axis);
  if (ctx.type(1) != ElementType::Int64 && ctx.type(1) != ElementType::Int32)
    return ctx.invalid("its indices are " + elementName(ctx.type(1)) + ", expected int64 or int32");
  bool isSelect = axis == 0 && ctx.rank(1) == 0 && ctx.constant(0) && !ctx.entry(1).fromInput;
  if (isSelect && ctx.type(1) == ElementType::Int64)
    return importSelect(ctx);
  return importComputedGather(ctx, axis);
}

void anybit::onnx::addGatherOps(OpTable &table) {
  table.add("Gather", {1, 11, 13}).inputs(2, 2).emit(importGather).fold(importGather);
}
