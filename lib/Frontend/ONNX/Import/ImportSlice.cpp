#include "Emit.h"
#include "OpTable.h"
#include "Tensors.h"

using namespace mlir;
using namespace anybit::onnx;

/// Result 0 is `indices` of input 0 along each axis; unlisted axes are whole.
static void setTaken(NodeContext &ctx, ArrayRef<std::pair<int64_t, Dims>> taken) {
  if (const Tensor *constant = ctx.constant(0)) {
    Tensor result = *constant;
    for (const auto &[axis, indices] : taken)
      result = takeSlices(result, axis, indices);
    return ctx.resultConstant(0, std::move(result));
  }
  Value x = ctx.storedValue(0);
  for (const auto &[axis, indices] : taken)
    x = emitTake(ctx.b, x, axis, indices);
  ctx.resultLike(0, x);
}

//===----------------------------------------------------------------------===//
// Slice
//===----------------------------------------------------------------------===//

namespace {
/// What Slice says of one axis, resolved: `count` indices from `start`.
struct SliceRange {
  int64_t axis, start, step, count;
};
} // namespace

/// Clamps as ONNX says; all arithmetic is on numbers within the dimension.
static SliceRange resolveRange(int64_t axis, int64_t dim, int64_t start, int64_t end, int64_t step) {
  bool isForward = step > 0;
  auto clamp = [&](int64_t v, int64_t low, int64_t high) {
    // Far negative ends stay negative; the sum cannot overflow since dim is not negative.
    return std::clamp<int64_t>(v < 0 ? v + dim : v, low, high);
  };
  start = isForward ? clamp(start, 0, dim) : clamp(start, 0, dim - 1);
  end = isForward ? clamp(end, 0, dim) : clamp(end, -1, dim - 1);
  // A step that is longer than the dimension takes one element.
  step = std::clamp<int64_t>(step, -std::max<int64_t>(dim, 1), std::max<int64_t>(dim, 1));
  int64_t length = isForward ? end - start : start - end;
  int64_t count = length <= 0 ? 0 : (length + std::abs(step) - 1) / std::abs(step);
  return {axis, start, step, count};
}

/// Starts, ends, axes and steps, of attributes up to opset 9 and of inputs since.
static std::optional<std::array<Dims, 4>> sliceParameters(NodeContext &ctx) {
  bool hasInputs = ctx.opset() >= 10;
  auto missing = [&] {
    (void)ctx.invalid("it needs as many starts as ends, axes and steps");
    return std::nullopt;
  };
  if (hasInputs && (!ctx.has(1) || !ctx.has(2)))
    return missing();
  Dims starts = hasInputs ? ctx.ints(1) : ctx.intsAttr("starts").value_or(Dims());
  Dims ends = hasInputs ? ctx.ints(2) : ctx.intsAttr("ends").value_or(Dims());
  Dims axes, steps(starts.size(), 1);
  for (size_t i = 0; i < starts.size(); ++i)
    axes.push_back(i);
  if (hasInputs && ctx.has(3))
    axes = ctx.ints(3);
  if (std::optional<Dims> given = ctx.intsAttr("axes"); given && !hasInputs)
    axes = *given;
  if (hasInputs && ctx.has(4))
    steps = ctx.ints(4);
  if (ctx.failed())
    return std::nullopt;
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size() ||
      llvm::is_contained(steps, 0))
    return missing();
  axes = ctx.axes(axes, ctx.rank(0));
  return ctx.failed() ? std::nullopt : std::optional(std::array<Dims, 4>{starts, ends, axes, steps});
}

static Dims indicesOf(const SliceRange &range) {
  Dims indices;
  for (int64_t i = 0; i < range.count; ++i)
    indices.push_back(range.start + i * range.step);
  return indices;
}

/// Constants and descending ranges take every axis by index.
static LogicalResult takeRanges(NodeContext &ctx, ArrayRef<SliceRange> ranges, ArrayRef<int64_t> sizes) {
  if (!ctx.mayFold(sizes, ctx.type(0)))
    return failure();
  SmallVector<std::pair<int64_t, Dims>> taken;
  for (const SliceRange &range : ranges)
    taken.push_back({range.axis, indicesOf(range)});
  return setTaken(ctx, taken), success();
}

static LogicalResult importSlice(NodeContext &ctx) {
  std::optional<std::array<Dims, 4>> given = sliceParameters(ctx);
  if (!given)
    return failure();
  const auto &[starts, ends, axes, steps] = *given;
  SmallVector<int64_t> offsets(ctx.rank(0), 0), strides(ctx.rank(0), 1), sizes(ctx.dims(0));
  SmallVector<SliceRange> ranges;
  bool isForward = true;
  for (size_t i = 0; i < axes.size(); ++i) {
    SliceRange range = resolveRange(axes[i], ctx.dims(0)[axes[i]], starts[i], ends[i], steps[i]);
    ranges.push_back(range);
    offsets[range.axis] = range.count ? range.start : 0;
    sizes[range.axis] = range.count;
    strides[range.axis] = range.count > 1 ? range.step : 1;
    isForward &= strides[range.axis] > 0;
  }
  if (!isForward || ctx.constant(0))
    return takeRanges(ctx, ranges, sizes);
  ctx.resultLike(0, emitSlice(ctx.b, ctx.storedValue(0), offsets, sizes, strides));
  return success();
}

//===----------------------------------------------------------------------===//
// Split
//===----------------------------------------------------------------------===//

/// The lengths of the parts: an attribute up to opset 12, an input since, or `num_outputs` equal ones.
static Dims splitLengths(NodeContext &ctx, int64_t dim) {
  std::optional<Dims> given = ctx.has(1) ? std::optional<Dims>(ctx.ints(1)) : ctx.intsAttr("split");
  int64_t parts = ctx.node.outputs.size();
  if (ctx.hasAttribute("num_outputs") && ctx.intAttr("num_outputs", 0) != parts)
    (void)ctx.invalid("num_outputs is not the number of outputs, " + Twine(parts));
  if (ctx.failed() || parts == 0)
    return {};
  Dims lengths(parts, (dim + parts - 1) / parts);
  lengths.back() = dim - lengths[0] * (parts - 1);
  if (given)
    lengths = *given;
  int64_t sum = 0;
  for (int64_t length : lengths)
    sum = length < 0 || length > dim ? dim + 1 : std::min(dim + 1, sum + length);
  if (sum != dim || int64_t(lengths.size()) != parts)
    (void)ctx.invalid("a dimension of " + Twine(dim) + " does not split into " + formatDims(lengths));
  return lengths;
}

static LogicalResult importSplit(NodeContext &ctx) {
  int64_t axis = ctx.axis(ctx.intAttr("axis", 0), ctx.rank(0));
  if (ctx.failed())
    return failure();
  Dims lengths = splitLengths(ctx, ctx.dims(0)[axis]);
  if (ctx.failed())
    return failure();
  SmallVector<int64_t> offsets(ctx.rank(0), 0), sizes(ctx.dims(0)), strides(ctx.rank(0), 1);
  for (auto [i, length] : llvm::enumerate(lengths)) {
    sizes[axis] = length;
    if (const Tensor *constant = ctx.constant(0))
      ctx.resultConstant(i, takeSlices(*constant, axis, indicesOf({axis, offsets[axis], 1, length})));
    else
      ctx.resultLike(i, emitSlice(ctx.b, ctx.storedValue(0), offsets, sizes, strides));
    offsets[axis] += length;
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Concat
//===----------------------------------------------------------------------===//

/// The shape of the result, or nothing after a report.
static std::optional<Dims> concatDims(NodeContext &ctx, int64_t axis) {
  Dims sum(ctx.dims(0).begin(), ctx.dims(0).end());
  for (unsigned i = 1; i < ctx.inputs(); ++i) {
    if (ctx.type(i) != ctx.type(0))
      (void)ctx.invalid("its inputs are " + elementName(ctx.type(0)) + " and " + elementName(ctx.type(i)));
    bool fits = ctx.rank(i) == ctx.rank(0);
    for (int64_t d = 0; fits && d < ctx.rank(0); ++d)
      fits = d == axis || ctx.dims(i)[d] == ctx.dims(0)[d];
    if (!fits)
      (void)ctx.invalid("the shapes " + formatDims(ctx.dims(0)) + " and " + formatDims(ctx.dims(i)) +
                        " do not fit along axis " + Twine(axis));
    if (ctx.failed())
      return std::nullopt;
    sum[axis] += ctx.dims(i)[axis];
  }
  ctx.checkedCount(sum);
  return ctx.failed() ? std::nullopt : std::optional(sum);
}

static LogicalResult importConcat(NodeContext &ctx) {
  if (!ctx.hasAttribute("axis"))
    return ctx.invalid("it has no axis");
  int64_t axis = ctx.axis(ctx.intAttr("axis", 0), ctx.rank(0));
  if (ctx.failed() || !concatDims(ctx, axis))
    return failure();
  SmallVector<Value> values;
  for (unsigned i = 0; i < ctx.inputs(); ++i)
    values.push_back(ctx.value(i));
  Value y = values.size() == 1 ? values[0] : Value(tensor::ConcatOp::create(ctx.b, axis, values));
  ctx.result(0, y, ctx.type(0));
  return success();
}

static LogicalResult foldConcat(NodeContext &ctx) {
  int64_t axis = ctx.axis(ctx.intAttr("axis", 0), ctx.rank(0));
  if (ctx.failed())
    return failure();
  std::optional<Dims> sum = concatDims(ctx, axis);
  if (!sum || !ctx.mayFold(*sum, ctx.type(0)))
    return failure();
  SmallVector<Tensor> tensors;
  for (unsigned i = 0; i < ctx.inputs(); ++i)
    tensors.push_back(*ctx.constant(i));
  ctx.resultConstant(0, concatenated(tensors, axis));
  return success();
}

void anybit::onnx::addSliceOps(OpTable &table) {
  table.add("Slice", {1, 10, 11, 13})
      .inputs(1, 5)
      .constant(30)
      .emit(importSlice)
      .fold(importSlice)
      .notes("constant starts, ends, axes and steps");
  table.add("Split", {2, 11, 13, 18})
      .inputs(1, 2)
      .outputs(anyNumber)
      .constant(2)
      .emit(importSplit)
      .fold(importSplit)
      .notes("constant lengths");
  table.add("Concat", {4, 11, 13}).inputs(1, anyNumber).emit(importConcat).fold(foldConcat);
}
