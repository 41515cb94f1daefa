#include "Emit.h"

#include "Tensors.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/Dialect/Utils/ReshapeOpsUtils.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace anybit::onnx;

/// More pieces than this are gathered element by element.
static constexpr size_t mostPieces = 64;

RankedTensorType anybit::onnx::tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

ArrayRef<int64_t> anybit::onnx::shapeOf(Value value) { return tensorType(value).getShape(); }

Value anybit::onnx::emitScalar(ImplicitLocOpBuilder &b, Type type, double value) {
  if (auto real = dyn_cast<FloatType>(type))
    return arith::ConstantOp::create(b, b.getFloatAttr(real, value));
  // Unsigned bytes above 127 and the like are bit patterns.
  APInt bits(64, uint64_t(convertElement<int64_t>(value)));
  return arith::ConstantOp::create(b, b.getIntegerAttr(type, bits.trunc(type.getIntOrFloatBitWidth())));
}

static Value emitEmpty(ImplicitLocOpBuilder &b, RankedTensorType type) {
  return tensor::EmptyOp::create(b, type.getShape(), type.getElementType());
}

Value anybit::onnx::emitFill(ImplicitLocOpBuilder &b, RankedTensorType type, double value) {
  Value scalar = emitScalar(b, type.getElementType(), value);
  return linalg::FillOp::create(b, ValueRange{scalar}, ValueRange{emitEmpty(b, type)}).getResult(0);
}

//===----------------------------------------------------------------------===//
// Reshape and transpose
//===----------------------------------------------------------------------===//

/// The constant `value` with another shape, sharing its bytes; null if it is none.
static ElementsAttr reshapedConstant(Value value, RankedTensorType type) {
  auto constant = value.getDefiningOp<arith::ConstantOp>();
  if (!constant)
    return {};
  if (auto dense = dyn_cast<DenseElementsAttr>(constant.getValue()))
    return dense.reshape(type);
  if (auto blob = dyn_cast<DenseResourceElementsAttr>(constant.getValue()))
    return DenseResourceElementsAttr::get(type, blob.getRawHandle());
  return {};
}

static Value emitCollapseOrExpand(ImplicitLocOpBuilder &b, Value value, RankedTensorType type) {
  RankedTensorType from = tensorType(value);
  std::optional<SmallVector<ReassociationIndices>> groups = getReassociationIndicesForReshape(from, type);
  if (!groups || from.getRank() == type.getRank())
    return {};
  if (from.getRank() > type.getRank())
    return tensor::CollapseShapeOp::create(b, type, value, *groups);
  return tensor::ExpandShapeOp::create(b, type, value, *groups);
}

/// What `value` was before it was reshaped.
static Value beforeReshapes(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

Value anybit::onnx::emitReshape(ImplicitLocOpBuilder &b, Value value, ArrayRef<int64_t> dims) {
  if (shapeOf(value) == dims)
    return value;
  Value source = beforeReshapes(value);
  if (shapeOf(source) == dims)
    return source;
  auto type = RankedTensorType::get(dims, tensorType(value).getElementType());
  if (type.getNumElements() == 0)
    return emitEmpty(b, type);
  if (ElementsAttr same = reshapedConstant(value, type))
    return arith::ConstantOp::create(b, value.getLoc(), type, same);
  for (Value start : {source, value})
    if (Value direct = emitCollapseOrExpand(b, start, type))
      return direct;
  auto flat = RankedTensorType::get({tensorType(value).getNumElements()}, type.getElementType());
  if (tensorType(value) != flat)
    value = emitCollapseOrExpand(b, value, flat);
  return type == flat ? value : emitCollapseOrExpand(b, value, type);
}

Value anybit::onnx::emitTranspose(ImplicitLocOpBuilder &b, Value value, ArrayRef<int64_t> permutation) {
  SmallVector<int64_t> whole(permutation);
  if (auto inner = value.getDefiningOp<linalg::TransposeOp>()) {
    whole = applyPermutation(inner.getPermutation(), permutation);
    value = inner.getInput();
  }
  if (isIdentityPermutation(whole))
    return value;
  SmallVector<int64_t> dims = applyPermutation(shapeOf(value), whole);
  auto type = RankedTensorType::get(dims, tensorType(value).getElementType());
  return linalg::TransposeOp::create(b, value, emitEmpty(b, type), whole)->getResult(0);
}

//===----------------------------------------------------------------------===//
// Elementwise and reductions
//===----------------------------------------------------------------------===//

/// A linalg.generic; `body` sees the elements of the operands and of the output.
static Value emitGeneric(ImplicitLocOpBuilder &b, ArrayRef<Value> operands, ArrayRef<AffineMap> maps, Value init,
                         ArrayRef<utils::IteratorType> iterators, Body body) {
  auto build = [&](OpBuilder &nested, Location loc, ValueRange arguments) {
    ImplicitLocOpBuilder inner(loc, nested);
    linalg::YieldOp::create(inner, body(inner, arguments));
  };
  return linalg::GenericOp::create(b, TypeRange{init.getType()}, operands, ValueRange{init}, maps, iterators, build)
      .getResult(0);
}

/// `value` without the unit dimensions that broadcast, and where the others lie in a result of shape `dims`.
static std::pair<Value, AffineMap> alignOperand(ImplicitLocOpBuilder &b, Value value, ArrayRef<int64_t> dims) {
  MLIRContext *context = b.getContext();
  ArrayRef<int64_t> shape = shapeOf(value);
  if (shape == dims)
    return {value, AffineMap::getMultiDimIdentityMap(dims.size(), context)};
  SmallVector<int64_t> kept;
  SmallVector<AffineExpr> places;
  for (size_t d = 0, lead = dims.size() - shape.size(); d < shape.size(); ++d) {
    if (shape[d] == 1)
      continue;
    kept.push_back(shape[d]);
    places.push_back(getAffineDimExpr(lead + d, context));
  }
  return {emitReshape(b, value, kept), AffineMap::get(dims.size(), 0, places, context)};
}

Value anybit::onnx::emitMap(ImplicitLocOpBuilder &b, ArrayRef<Value> operands, RankedTensorType type, Body body) {
  SmallVector<Value> aligned;
  SmallVector<AffineMap> maps;
  for (Value operand : operands) {
    auto [value, map] = alignOperand(b, operand, type.getShape());
    aligned.push_back(value);
    maps.push_back(map);
  }
  maps.push_back(AffineMap::getMultiDimIdentityMap(type.getRank(), b.getContext()));
  SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
  return emitGeneric(b, aligned, maps, emitEmpty(b, type), iterators, body);
}

Value anybit::onnx::emitMapAlong(ImplicitLocOpBuilder &b, Value x, Value along, int64_t axis, Body body) {
  RankedTensorType type = tensorType(x);
  AffineMap identity = AffineMap::getMultiDimIdentityMap(type.getRank(), b.getContext());
  AffineMap line = AffineMap::get(type.getRank(), 0, {getAffineDimExpr(axis, b.getContext())}, b.getContext());
  SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
  return emitGeneric(b, {x, along}, {identity, line, identity}, emitEmpty(b, type), iterators, body);
}

LogicalResult anybit::onnx::emitElementwise(NodeContext &ctx, ArrayRef<unsigned> inputs, ElementType result,
                                            Body body) {
  Dims dims = ctx.broadcastDims(inputs);
  if (ctx.failed())
    return failure();
  SmallVector<Value> operands;
  SmallVector<int> places; // Of each input among the operands; -1: a scalar.
  for (unsigned i : inputs) {
    const Tensor *constant = ctx.constant(i);
    bool isScalar = constant && constant->count() == 1;
    places.push_back(isScalar ? -1 : int(operands.size()));
    if (!isScalar)
      operands.push_back(ctx.value(i));
  }
  auto type = RankedTensorType::get(dims, elementTypeOf(ctx.b.getContext(), result));
  Value made = emitMap(ctx.b, operands, type, [&](ImplicitLocOpBuilder &b, ValueRange elements) {
    SmallVector<Value> all;
    for (auto [i, place] : llvm::zip_equal(inputs, places))
      all.push_back(place >= 0 ? elements[place]
                               : emitScalar(b, elementTypeOf(b.getContext(), ctx.type(i)), *ctx.scalar(i)));
    return body(b, all);
  });
  ctx.result(0, made, result);
  return success();
}

Value anybit::onnx::emitReduce(ImplicitLocOpBuilder &b, Value x, ArrayRef<int64_t> axes, double initial, Body body) {
  RankedTensorType type = tensorType(x);
  SmallVector<int64_t> kept;
  SmallVector<AffineExpr> places;
  SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
  for (int64_t d = 0; d < type.getRank(); ++d) {
    if (llvm::is_contained(axes, d)) {
      iterators[d] = utils::IteratorType::reduction;
      continue;
    }
    kept.push_back(type.getDimSize(d));
    places.push_back(getAffineDimExpr(d, b.getContext()));
  }
  Value init = emitFill(b, RankedTensorType::get(kept, type.getElementType()), initial);
  AffineMap identity = AffineMap::getMultiDimIdentityMap(type.getRank(), b.getContext());
  AffineMap to = AffineMap::get(type.getRank(), 0, places, b.getContext());
  return emitGeneric(b, {x}, {identity, to}, init, iterators, body);
}

//===----------------------------------------------------------------------===//
// Slices
//===----------------------------------------------------------------------===//

Value anybit::onnx::emitSlice(ImplicitLocOpBuilder &b, Value x, ArrayRef<int64_t> offsets, ArrayRef<int64_t> sizes,
                              ArrayRef<int64_t> strides) {
  bool isWhole = shapeOf(x) == sizes && llvm::all_of(strides, [](int64_t s) { return s == 1; });
  if (isWhole)
    return x;
  if (llvm::is_contained(sizes, 0))
    return emitEmpty(b, RankedTensorType::get(sizes, tensorType(x).getElementType()));
  return tensor::ExtractSliceOp::create(b, x, getAsIndexOpFoldResult(b.getContext(), offsets),
                                        getAsIndexOpFoldResult(b.getContext(), sizes),
                                        getAsIndexOpFoldResult(b.getContext(), strides));
}

Value anybit::onnx::emitGatherElements(
    ImplicitLocOpBuilder &b, Value x, ArrayRef<Value> operands, ArrayRef<AffineMap> maps, RankedTensorType type,
    llvm::function_ref<SmallVector<Value>(ImplicitLocOpBuilder &, ValueRange)> indices) {
  SmallVector<AffineMap> all(maps);
  all.push_back(AffineMap::getMultiDimIdentityMap(type.getRank(), b.getContext()));
  SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
  return emitGeneric(b, operands, all, emitEmpty(b, type), iterators,
                     [&](ImplicitLocOpBuilder &inner, ValueRange elements) -> Value {
                       return tensor::ExtractOp::create(inner, x, indices(inner, elements));
                     });
}

namespace {
/// `count` indices from `first` in steps of `step`.
struct Run {
  int64_t first, step, count;
};
} // namespace

/// The fewest runs with a positive step that `indices` is made of, taken greedily.
static SmallVector<Run> runsOf(ArrayRef<int64_t> indices) {
  SmallVector<Run> runs;
  for (int64_t index : indices) {
    Run *last = runs.empty() ? nullptr : &runs.back();
    if (last && last->count == 1 && index > last->first) {
      last->step = index - last->first;
      last->count = 2;
    } else if (last && last->count > 1 && index == last->first + last->step * last->count) {
      ++last->count;
    } else {
      runs.push_back({index, 1, 1});
    }
  }
  return runs;
}

static Value emitRun(ImplicitLocOpBuilder &b, Value x, int64_t axis, Run run) {
  SmallVector<int64_t> offsets(tensorType(x).getRank(), 0), strides(offsets.size(), 1), sizes(shapeOf(x));
  offsets[axis] = run.first;
  sizes[axis] = run.count;
  strides[axis] = run.count > 1 ? run.step : 1;
  return emitSlice(b, x, offsets, sizes, strides);
}

static bool isDescending(ArrayRef<int64_t> indices) {
  if (indices.size() < 2 || indices[1] >= indices[0])
    return false;
  for (size_t i = 2; i < indices.size(); ++i)
    if (indices[i] - indices[i - 1] != indices[1] - indices[0])
      return false;
  return true;
}

/// Every index from the position alone: `first + step·i`.
static Value emitDescending(ImplicitLocOpBuilder &b, Value x, int64_t axis, Run run) {
  SmallVector<int64_t> dims(shapeOf(x));
  dims[axis] = run.count;
  auto type = RankedTensorType::get(dims, tensorType(x).getElementType());
  return emitGatherElements(b, x, {}, {}, type, [&](ImplicitLocOpBuilder &inner, ValueRange) {
    SmallVector<Value> position;
    for (size_t d = 0; d < dims.size(); ++d)
      position.push_back(linalg::IndexOp::create(inner, d));
    Value step = arith::ConstantIndexOp::create(inner, run.step);
    Value first = arith::ConstantIndexOp::create(inner, run.first);
    position[axis] = arith::AddIOp::create(inner, first, arith::MulIOp::create(inner, position[axis], step));
    return position;
  });
}

/// Indices from a constant tensor.
static Value emitTable(ImplicitLocOpBuilder &b, Value x, int64_t axis, ArrayRef<int64_t> indices) {
  SmallVector<int64_t> dims(shapeOf(x));
  dims[axis] = indices.size();
  auto type = RankedTensorType::get(dims, tensorType(x).getElementType());
  auto tableType = RankedTensorType::get({int64_t(indices.size())}, b.getI64Type());
  Value table = arith::ConstantOp::create(b, DenseElementsAttr::get(tableType, indices));
  AffineMap line = AffineMap::get(dims.size(), 0, {getAffineDimExpr(axis, b.getContext())}, b.getContext());
  return emitGatherElements(b, x, {table}, {line}, type, [&](ImplicitLocOpBuilder &inner, ValueRange elements) {
    SmallVector<Value> position;
    for (size_t d = 0; d < dims.size(); ++d)
      position.push_back(linalg::IndexOp::create(inner, d));
    position[axis] = arith::IndexCastOp::create(inner, inner.getIndexType(), elements[0]);
    return position;
  });
}

Value anybit::onnx::emitTake(ImplicitLocOpBuilder &b, Value x, int64_t axis, ArrayRef<int64_t> indices) {
  if (isDescending(indices))
    return emitDescending(b, x, axis, {indices[0], indices[1] - indices[0], int64_t(indices.size())});
  SmallVector<Run> runs = runsOf(indices);
  if (indices.empty())
    runs.push_back({0, 1, 0});
  if (runs.size() > mostPieces)
    return emitTable(b, x, axis, indices);
  SmallVector<Value> pieces;
  for (Run run : runs)
    pieces.push_back(emitRun(b, x, axis, run));
  return pieces.size() == 1 ? pieces[0] : Value(tensor::ConcatOp::create(b, axis, pieces));
}
