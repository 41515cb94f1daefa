#include "Emit.h"
#include "Fold.h"
#include "OpTable.h"
#include "Tensors.h"

using namespace mlir;
using namespace anybit::onnx;

/// Sets result 0 to input 0 in another shape.
static LogicalResult setReshaped(NodeContext &ctx, ArrayRef<int64_t> dims) {
  if (ctx.failed())
    return failure();
  if (ctx.checkedCount(dims) != *countOf(ctx.dims(0)))
    return ctx.invalid("the shape " + formatDims(ctx.dims(0)) + " does not become " + formatDims(dims));
  if (const Tensor *constant = ctx.constant(0))
    ctx.resultConstant(0, reshaped(*constant, dims));
  else
    ctx.resultLike(0, emitReshape(ctx.b, ctx.storedValue(0), dims));
  return success();
}

//===----------------------------------------------------------------------===//
// Reshape and its relatives
//===----------------------------------------------------------------------===//

static LogicalResult importReshape(NodeContext &ctx) {
  Dims dims = ctx.ints(1);
  bool keepsZero = ctx.intAttr("allowzero", 0) != 0;
  int64_t known = 1, inferred = -1;
  for (size_t d = 0; d < dims.size() && !ctx.failed(); ++d) {
    if (dims[d] == 0 && !keepsZero) {
      if (int64_t(d) >= ctx.rank(0))
        return ctx.invalid("the shape " + formatDims(dims) + " copies dimension " + Twine(d) + " of " +
                           formatDims(ctx.dims(0)));
      dims[d] = ctx.dims(0)[d];
    }
    bool isSecond = dims[d] == -1 && inferred >= 0;
    if (isSecond || dims[d] < -1 || (dims[d] >= 0 && llvm::MulOverflow(known, dims[d], known)))
      return ctx.invalid("the shape " + formatDims(dims) + " is not one");
    inferred = dims[d] == -1 ? int64_t(d) : inferred;
  }
  if (inferred >= 0) {
    int64_t count = *countOf(ctx.dims(0));
    if (known == 0 || count % known != 0)
      return ctx.invalid("the shape " + formatDims(ctx.dims(0)) + " does not become " + formatDims(dims));
    dims[inferred] = count / known;
  }
  return setReshaped(ctx, dims);
}

static LogicalResult importFlatten(NodeContext &ctx) {
  int64_t given = ctx.intAttr("axis", 1), rank = ctx.rank(0);
  int64_t axis = given == rank ? rank : ctx.axis(given, rank);
  if (rank == 0 && given == 0)
    return setReshaped(ctx, {1, 1});
  ArrayRef<int64_t> dims = ctx.dims(0);
  return setReshaped(ctx, {countOf(dims.take_front(axis)).value_or(0), countOf(dims.drop_front(axis)).value_or(0)});
}

/// The axes of Squeeze and Unsqueeze: an attribute up to opset 12, an input since.
static std::optional<Dims> givenAxes(NodeContext &ctx) {
  return ctx.has(1) ? std::optional<Dims>(ctx.ints(1)) : ctx.intsAttr("axes");
}

static LogicalResult importSqueeze(NodeContext &ctx) {
  std::optional<Dims> given = givenAxes(ctx);
  Dims axes = given ? ctx.axes(*given, ctx.rank(0)) : Dims();
  Dims dims;
  for (int64_t d = 0; d < ctx.rank(0); ++d) {
    bool isChosen = given ? llvm::is_contained(axes, d) : ctx.dims(0)[d] == 1;
    if (isChosen && ctx.dims(0)[d] != 1)
      return ctx.invalid("dimension " + Twine(d) + " of " + formatDims(ctx.dims(0)) + " is not 1");
    if (!isChosen)
      dims.push_back(ctx.dims(0)[d]);
  }
  return setReshaped(ctx, dims);
}

static LogicalResult importUnsqueeze(NodeContext &ctx) {
  std::optional<Dims> given = givenAxes(ctx);
  if (!given)
    return ctx.invalid("it has no axes");
  int64_t rank = ctx.rank(0) + int64_t(given->size());
  Dims axes = ctx.axes(*given, rank);
  if (ctx.failed())
    return failure();
  Dims dims;
  ArrayRef<int64_t> rest = ctx.dims(0);
  for (int64_t d = 0; d < rank; ++d) {
    bool isNew = llvm::is_contained(axes, d);
    dims.push_back(isNew ? 1 : rest.front());
    rest = isNew ? rest : rest.drop_front();
  }
  return setReshaped(ctx, dims);
}

static LogicalResult importIdentity(NodeContext &ctx) { return ctx.resultAlias(0, ctx.node.inputs[0]), success(); }

static LogicalResult importDropout(NodeContext &ctx) {
  if (std::optional<double> training = ctx.scalar(2); ctx.has(2) && (!training || *training != 0))
    return ctx.unsupported("training_mode is not the constant false; export the model for inference");
  return importIdentity(ctx);
}

//===----------------------------------------------------------------------===//
// Transpose, DepthToSpace
//===----------------------------------------------------------------------===//

static LogicalResult importTranspose(NodeContext &ctx) {
  Dims order;
  for (int64_t d = ctx.rank(0) - 1; d >= 0; --d)
    order.push_back(d);
  if (std::optional<Dims> given = ctx.intsAttr("perm"))
    order = ctx.axes(*given, ctx.rank(0));
  if (!ctx.failed() && int64_t(order.size()) != ctx.rank(0))
    return ctx.invalid("perm is " + formatDims(order) + ", but the input is " + formatDims(ctx.dims(0)));
  if (ctx.failed())
    return failure();
  if (const Tensor *constant = ctx.constant(0))
    ctx.resultConstant(0, transposed(*constant, order));
  else
    ctx.resultLike(0, emitTranspose(ctx.b, ctx.storedValue(0), order));
  return success();
}

/// The attributes of DepthToSpace and SpaceToDepth.
struct Blocks {
  int64_t size;
  bool depthFirst;
};

/// Nothing after a report.
static std::optional<Blocks> resolveBlocks(NodeContext &ctx, bool toSpace) {
  int64_t block = ctx.intAttr("blocksize", 0);
  ArrayRef<int64_t> x = ctx.dims(0);
  bool fits = x.size() == 4 && block > 0 && block < (1 << 15);
  fits = fits && (toSpace ? x[1] % (block * block) == 0 : x[2] % block == 0 && x[3] % block == 0);
  if (!fits)
    (void)ctx.invalid("the input " + formatDims(x) + " does not divide into blocks of " + Twine(block));
  std::string mode = ctx.stringAttr("mode", "DCR");
  if (mode != "DCR" && mode != "CRD")
    (void)ctx.invalid("mode is " + mode + ", expected DCR or CRD");
  if (ctx.failed())
    return std::nullopt;
  return Blocks{block, mode == "DCR"};
}

static LogicalResult importDepthToSpace(NodeContext &ctx) {
  std::optional<Blocks> blocks = resolveBlocks(ctx, /*toSpace=*/true);
  if (!blocks)
    return failure();
  int64_t s = blocks->size;
  ArrayRef<int64_t> x = ctx.dims(0);
  int64_t n = x[0], c = x[1] / (s * s), h = x[2], w = x[3];
  Value y =
      emitReshape(ctx.b, ctx.storedValue(0), blocks->depthFirst ? Dims{n, s, s, c, h, w} : Dims{n, c, s, s, h, w});
  y = emitTranspose(ctx.b, y, blocks->depthFirst ? Dims{0, 3, 4, 1, 5, 2} : Dims{0, 1, 4, 2, 5, 3});
  ctx.resultLike(0, emitReshape(ctx.b, y, {n, c, h * s, w * s}));
  return success();
}

static LogicalResult importSpaceToDepth(NodeContext &ctx) {
  std::optional<Blocks> blocks = resolveBlocks(ctx, /*toSpace=*/false);
  if (!blocks)
    return failure();
  int64_t s = blocks->size;
  ArrayRef<int64_t> x = ctx.dims(0);
  int64_t n = x[0], c = x[1], h = x[2] / s, w = x[3] / s;
  Value y = emitReshape(ctx.b, ctx.storedValue(0), {n, c, h, s, w, s});
  y = emitTranspose(ctx.b, y, blocks->depthFirst ? Dims{0, 3, 5, 1, 2, 4} : Dims{0, 1, 3, 5, 2, 4});
  ctx.resultLike(0, emitReshape(ctx.b, y, {n, c * s * s, h, w}));
  return success();
}

//===----------------------------------------------------------------------===//
// Shape
//===----------------------------------------------------------------------===//

static LogicalResult foldShape(NodeContext &ctx) {
  int64_t rank = ctx.rank(0);
  auto clamp = [&](int64_t position) {
    position = position < 0 && position >= -rank ? position + rank : position;
    return std::clamp<int64_t>(position, 0, rank);
  };
  int64_t start = clamp(ctx.intAttr("start", 0)), end = clamp(ctx.intAttr("end", rank));
  if (ctx.failed())
    return failure();
  std::vector<int64_t> dims;
  for (int64_t d = start; d < end; ++d)
    dims.push_back(ctx.dims(0)[d]);
  ctx.resultConstant(0, tensorOf(ElementType::Int64, {int64_t(dims.size())}, dims));
  return success();
}

static LogicalResult foldSize(NodeContext &ctx) {
  std::vector<int64_t> count = {countOf(ctx.dims(0)).value_or(0)};
  return ctx.resultConstant(0, tensorOf(ElementType::Int64, {}, count)), success();
}

void anybit::onnx::addShapeOps(OpTable &table) {
  table.add("Reshape", {5, 13, 14, 19, 21, 23, 24, 25})
      .inputs(2, 2)
      .constant(2)
      .emit(importReshape)
      .fold(importReshape)
      .notes("constant shape");
  table.add("Flatten", {1, 9, 11, 13, 21, 23, 24, 25}).emit(importFlatten).fold(importFlatten);
  table.add("Squeeze", {1, 11, 13, 21, 23, 24, 25})
      .inputs(1, 2)
      .constant(2)
      .emit(importSqueeze)
      .fold(importSqueeze)
      .notes("constant axes");
  table.add("Unsqueeze", {1, 11, 13, 21, 23, 24, 25})
      .inputs(1, 2)
      .constant(2)
      .emit(importUnsqueeze)
      .fold(importUnsqueeze)
      .notes("constant axes");
  table.add("Transpose", {1, 13, 21, 23, 24, 25}).emit(importTranspose).fold(importTranspose);
  table.add("Identity", {1, 13, 14, 16, 19, 21, 23, 24, 25}).raw(1).emit(importIdentity).fold(importIdentity);
  table.add("Dropout", {7, 10, 12, 13, 22})
      .inputs(1, 3)
      .outputs(2)
      .raw(6)
      .emit(importDropout)
      .fold(importDropout)
      .notes("inference only, without mask");
  table.add("DepthToSpace", {1, 11, 13, 28}).emit(importDepthToSpace);
  table.add("SpaceToDepth", {1, 13, 28}).emit(importSpaceToDepth);
  table.add("Shape", {1, 13, 15, 19, 21, 23, 24, 25}).foldAlways(foldShape);
  table.add("Size", {1, 13, 19, 21, 23, 24, 25}).foldAlways(foldSize);
}
