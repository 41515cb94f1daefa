#include "Emit.h"
#include "Fold.h"
#include "OpTable.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace anybit::onnx;

static constexpr double infinity = std::numeric_limits<double>::infinity();

static Value emitLarger(ImplicitLocOpBuilder &b, Value x, Value y, bool isUnsigned) {
  if (isa<FloatType>(x.getType()))
    return arith::MaximumFOp::create(b, x, y);
  return isUnsigned ? Value(arith::MaxUIOp::create(b, x, y)) : Value(arith::MaxSIOp::create(b, x, y));
}

static Value emitSmaller(ImplicitLocOpBuilder &b, Value x, Value y, bool isUnsigned) {
  if (isa<FloatType>(x.getType()))
    return arith::MinimumFOp::create(b, x, y);
  return isUnsigned ? Value(arith::MinUIOp::create(b, x, y)) : Value(arith::MinSIOp::create(b, x, y));
}

/// The smallest (sign -1) or largest (sign +1) number of a type.
static double extreme(Type type, bool isUnsigned, double sign) {
  if (isa<FloatType>(type))
    return sign * infinity;
  int bits = int(type.getIntOrFloatBitWidth()) - (isUnsigned ? 0 : 1);
  double magnitude = std::ldexp(1.0, bits);
  return sign > 0 ? magnitude - 1 : isUnsigned ? 0 : -magnitude;
}

static Value emitReduction(NodeContext &ctx, StringRef op, ArrayRef<int64_t> axes) {
  Value x = ctx.value(0);
  Type type = tensorType(x).getElementType();
  bool isReal = isa<FloatType>(type), isUnsigned = ctx.type(0) == ElementType::UInt8;
  if (op == "ReduceMax")
    return emitReduce(ctx.b, x, axes, extreme(type, isUnsigned, -1),
                      [&](ImplicitLocOpBuilder &b, ValueRange v) { return emitLarger(b, v[1], v[0], isUnsigned); });
  if (op == "ReduceMin")
    return emitReduce(ctx.b, x, axes, extreme(type, isUnsigned, 1),
                      [&](ImplicitLocOpBuilder &b, ValueRange v) { return emitSmaller(b, v[1], v[0], isUnsigned); });
  if (op == "ReduceProd")
    return emitReduce(ctx.b, x, axes, 1, [&](ImplicitLocOpBuilder &b, ValueRange v) {
      return isReal ? Value(arith::MulFOp::create(b, v[1], v[0])) : Value(arith::MulIOp::create(b, v[1], v[0]));
    });
  return emitReduce(ctx.b, x, axes, 0, [&](ImplicitLocOpBuilder &b, ValueRange v) {
    return isReal ? Value(arith::AddFOp::create(b, v[1], v[0])) : Value(arith::AddIOp::create(b, v[1], v[0]));
  });
}

static LogicalResult importReduce(NodeContext &ctx) {
  Reduction reduction = resolveReduction(ctx);
  if (ctx.failed())
    return failure();
  if (ctx.type(0) == ElementType::Bool)
    return ctx.unsupported("the input is bool, expected a number");
  if (reduction.axes.empty())
    return ctx.resultLike(0, ctx.value(0)), success();
  int64_t length = 1;
  for (int64_t d : reduction.axes)
    length *= ctx.dims(0)[d];
  if (ctx.node.op == "ReduceMean" && length == 0)
    return ctx.unsupported("its input " + formatDims(ctx.dims(0)) + " has no elements to take the mean of");
  Value y = emitReduction(ctx, ctx.node.op, reduction.axes);
  if (ctx.node.op == "ReduceMean")
    y = emitMap(ctx.b, {y}, tensorType(y), [&](ImplicitLocOpBuilder &b, ValueRange x) -> Value {
      return arith::DivFOp::create(b, x[0], emitScalar(b, x[0].getType(), double(length)));
    });
  ctx.result(0, emitReshape(ctx.b, y, reduction.result), ctx.type(0));
  return success();
}

//===----------------------------------------------------------------------===//
// Softmax
//===----------------------------------------------------------------------===//

/// `body(x, reduced)` with the reduced dimensions of `reduced` broadcast back.
static Value emitWithReduced(ImplicitLocOpBuilder &b, Value x, Value reduced, ArrayRef<int64_t> axes, Body body) {
  SmallVector<int64_t> dims(shapeOf(x));
  for (int64_t d : axes)
    dims[d] = 1;
  return emitMap(b, {x, emitReshape(b, reduced, dims)}, tensorType(x), body);
}

static LogicalResult importSoftmax(NodeContext &ctx) {
  // Up to opset 12 everything from `axis` on is one distribution.
  bool isOneAxis = ctx.opset() >= 13;
  int64_t first = ctx.axis(ctx.intAttr("axis", isOneAxis ? -1 : 1), ctx.rank(0));
  if (ctx.failed())
    return failure();
  SmallVector<int64_t> axes;
  for (int64_t d = first; d < (isOneAxis ? first + 1 : ctx.rank(0)); ++d)
    axes.push_back(d);
  ImplicitLocOpBuilder &b = ctx.b;
  Value x = ctx.value(0);
  Value peak = emitReduce(b, x, axes, -infinity, [](ImplicitLocOpBuilder &body, ValueRange v) -> Value {
    return arith::MaximumFOp::create(body, v[1], v[0]);
  });
  Value powers = emitWithReduced(b, x, peak, axes, [](ImplicitLocOpBuilder &body, ValueRange v) -> Value {
    return math::ExpOp::create(body, arith::SubFOp::create(body, v[0], v[1]));
  });
  Value sum = emitReduce(b, powers, axes, 0, [](ImplicitLocOpBuilder &body, ValueRange v) -> Value {
    return arith::AddFOp::create(body, v[1], v[0]);
  });
  Value y = emitWithReduced(b, powers, sum, axes, [](ImplicitLocOpBuilder &body, ValueRange v) -> Value {
    return arith::DivFOp::create(body, v[0], v[1]);
  });
  ctx.result(0, y, ElementType::Float);
  return success();
}

//===----------------------------------------------------------------------===//
// ArgMax
//===----------------------------------------------------------------------===//

/// Keeps the better of (best, bestIndex) and the element at this position.
static void buildArgBody(ImplicitLocOpBuilder &b, ValueRange v, int64_t axis, bool wantsMax, bool wantsLast) {
  Value index = arith::IndexCastOp::create(b, b.getI64Type(), linalg::IndexOp::create(b, axis));
  using P = arith::CmpFPredicate;
  P predicate = wantsMax ? (wantsLast ? P::OGE : P::OGT) : (wantsLast ? P::OLE : P::OLT);
  Value isBetter = arith::CmpFOp::create(b, predicate, v[0], v[1]);
  Value best = arith::SelectOp::create(b, isBetter, v[0], v[1]);
  Value place = arith::SelectOp::create(b, isBetter, index, v[2]);
  linalg::YieldOp::create(b, ValueRange{best, place});
}

static LogicalResult importArg(NodeContext &ctx) {
  bool wantsMax = ctx.node.op == "ArgMax", wantsLast = ctx.intAttr("select_last_index", 0) != 0;
  bool keeps = ctx.intAttr("keepdims", 1) != 0;
  int64_t axis = ctx.axis(ctx.intAttr("axis", 0), ctx.rank(0));
  if (ctx.failed())
    return failure();
  ImplicitLocOpBuilder &b = ctx.b;
  Dims kept(ctx.dims(0).begin(), ctx.dims(0).end());
  kept.erase(kept.begin() + axis);
  SmallVector<utils::IteratorType> iterators(ctx.rank(0), utils::IteratorType::parallel);
  iterators[axis] = utils::IteratorType::reduction;
  AffineMap identity = AffineMap::getMultiDimIdentityMap(ctx.rank(0), b.getContext());
  AffineMap to = identity.dropResult(axis);
  Value best = emitFill(b, RankedTensorType::get(kept, b.getF32Type()), wantsMax ? -infinity : infinity);
  Value place = emitFill(b, RankedTensorType::get(kept, b.getI64Type()), 0);
  auto generic = linalg::GenericOp::create(b, TypeRange{best.getType(), place.getType()}, ValueRange{ctx.value(0)},
                                           ValueRange{best, place}, ArrayRef<AffineMap>{identity, to, to}, iterators,
                                           [&](OpBuilder &nested, Location loc, ValueRange v) {
                                             ImplicitLocOpBuilder inner(loc, nested);
                                             buildArgBody(inner, v, axis, wantsMax, wantsLast);
                                           });
  Dims dims = kept;
  if (keeps)
    dims.insert(dims.begin() + axis, 1);
  ctx.result(0, emitReshape(b, generic.getResult(1), dims), ElementType::Int64);
  return success();
}

void anybit::onnx::addReduceOps(OpTable &table) {
  for (StringRef name : {"ReduceMax", "ReduceMin"})
    table.add(name, {1, 11, 12, 13, 18, 20})
        .inputs(1, 2)
        .constant(2)
        .emit(importReduce)
        .fold(foldReduce)
        .notes("constant axes, not of bool");
  table.add("ReduceSum", {1, 11, 13})
      .inputs(1, 2)
      .constant(2)
      .emit(importReduce)
      .fold(foldReduce)
      .notes("constant axes");
  table.add("ReduceProd", {1, 11, 13, 18})
      .inputs(1, 2)
      .constant(2)
      .emit(importReduce)
      .fold(foldReduce)
      .notes("constant axes");
  table.add("ReduceMean", {1, 11, 13, 18})
      .inputs(1, 2)
      .real(1)
      .constant(2)
      .emit(importReduce)
      .fold(foldReduce)
      .notes("constant axes, of float");
  table.add("Softmax", {1, 11, 13}).real(1).emit(importSoftmax);
  table.add("ArgMax", {1, 11, 12, 13}).real(1).emit(importArg).notes("of float");
  table.add("ArgMin", {1, 11, 12, 13}).real(1).emit(importArg).notes("of float");
}
