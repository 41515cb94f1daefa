#include "Emit.h"
#include "OpTable.h"
#include "Tensors.h"

using namespace mlir;
using namespace anybit::onnx;

namespace {
/// How many elements a Pad adds (or, if negative, removes) before and behind each dimension.
struct PadSpec {
  Dims low, high;
  std::string mode;
  double value = 0;
};
} // namespace

static std::optional<PadSpec> resolvePad(NodeContext &ctx) {
  PadSpec spec;
  spec.mode = ctx.stringAttr("mode", "constant");
  bool hasInputs = ctx.opset() >= 11;
  Dims pads = hasInputs ? (ctx.has(1) ? ctx.ints(1) : Dims()) : ctx.intsAttr("pads").value_or(Dims());
  Dims axes;
  for (int64_t d = 0; d < ctx.rank(0); ++d)
    axes.push_back(d);
  if (hasInputs && ctx.has(3))
    axes = ctx.axes(ctx.ints(3), ctx.rank(0));
  spec.value = hasInputs ? ctx.scalar(2).value_or(0) : ctx.floatAttr("value", 0);
  if (ctx.failed())
    return std::nullopt;
  auto isLarge = [](int64_t pad) { return std::abs(pad) >= (int64_t(1) << 31); };
  if (pads.size() != 2 * axes.size() || llvm::any_of(pads, isLarge)) {
    (void)ctx.invalid("the pads are " + formatDims(pads) + ", expected " + Twine(2 * axes.size()) + " numbers");
    return std::nullopt;
  }
  spec.low.assign(ctx.rank(0), 0);
  spec.high.assign(ctx.rank(0), 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    spec.low[axes[i]] = pads[i];
    spec.high[axes[i]] = pads[i + axes.size()];
  }
  return spec;
}

/// The shape of the result; reports what is empty or too large.
static Dims paddedDims(NodeContext &ctx, const PadSpec &spec) {
  Dims dims;
  for (int64_t d = 0; d < ctx.rank(0); ++d) {
    dims.push_back(ctx.dims(0)[d] + spec.low[d] + spec.high[d]);
    bool isUsable = spec.mode == "constant" || (spec.low[d] == 0 && spec.high[d] == 0) || ctx.dims(0)[d] > 0;
    if (dims.back() < 0 || !isUsable)
      (void)ctx.invalid("the pads " + Twine(spec.low[d]) + " and " + Twine(spec.high[d]) + " do not fit dimension " +
                        Twine(d) + " of " + formatDims(ctx.dims(0)));
  }
  ctx.checkedCount(dims);
  return dims;
}

/// Where position `i` of the padded dimension comes from.
static int64_t sourceIndex(StringRef mode, int64_t i, int64_t dim) {
  if (mode == "edge")
    return std::clamp<int64_t>(i, 0, dim - 1);
  if (mode == "wrap")
    return ((i % dim) + dim) % dim;
  if (dim == 1)
    return 0;
  int64_t period = 2 * (dim - 1), place = ((i % period) + period) % period;
  return place < dim ? place : period - place;
}

/// Modes that repeat elements take them by index, one dimension after the other.
static LogicalResult importTakingPad(NodeContext &ctx, const PadSpec &spec) {
  const Tensor *constant = ctx.constant(0);
  Tensor folded = constant ? *constant : Tensor();
  Value x = constant ? Value() : ctx.storedValue(0);
  for (int64_t d = 0; d < ctx.rank(0); ++d) {
    int64_t dim = ctx.dims(0)[d];
    if (spec.low[d] == 0 && spec.high[d] == 0)
      continue;
    Dims indices;
    for (int64_t i = -spec.low[d]; i < dim + spec.high[d]; ++i)
      indices.push_back(sourceIndex(spec.mode, i, dim));
    if (constant)
      folded = takeSlices(folded, d, indices);
    else
      x = emitTake(ctx.b, x, d, indices);
  }
  constant ? ctx.resultConstant(0, std::move(folded)) : ctx.resultLike(0, x);
  return success();
}

static LogicalResult importConstantPad(NodeContext &ctx, const PadSpec &spec, ArrayRef<int64_t> dims) {
  // Negative pads cut first; what is left is padded.
  SmallVector<int64_t> offsets, sizes, low, high, ones(ctx.rank(0), 1);
  for (int64_t d = 0; d < ctx.rank(0); ++d) {
    offsets.push_back(std::min(ctx.dims(0)[d], std::max<int64_t>(0, -spec.low[d])));
    sizes.push_back(
        std::max<int64_t>(0, ctx.dims(0)[d] + std::min<int64_t>(0, spec.low[d]) + std::min<int64_t>(0, spec.high[d])));
    low.push_back(std::max<int64_t>(0, spec.low[d]));
    high.push_back(dims[d] - sizes.back() - low.back());
    if (high.back() < 0)
      return ctx.unsupported("dimension " + Twine(d) + " of " + formatDims(ctx.dims(0)) + " is cut below its pads");
  }
  ImplicitLocOpBuilder &b = ctx.b;
  Value x = emitSlice(b, ctx.value(0), offsets, sizes, ones);
  if (shapeOf(x) != dims) {
    auto type = RankedTensorType::get(dims, tensorType(x).getElementType());
    Value value = emitScalar(b, type.getElementType(), spec.value);
    x = tensor::PadOp::create(b, type, x, getAsIndexOpFoldResult(b.getContext(), low),
                              getAsIndexOpFoldResult(b.getContext(), high), value);
  }
  ctx.result(0, x, ctx.type(0));
  return success();
}

/// Constant padding of a constant.
static LogicalResult foldConstantPad(NodeContext &ctx, const PadSpec &spec, ArrayRef<int64_t> dims) {
  const Tensor &x = *ctx.constant(0);
  std::vector<double> fill = {spec.value};
  Tensor result = broadcast(tensorOf(x.type, {}, fill), dims);
  std::vector<char> bytes(result.bytes().begin(), result.bytes().end());
  Dims to = stridesOf(dims), from = stridesOf(x.dims);
  size_t width = elementBytes(x.type);
  for (int64_t i = 0, e = x.count(); i < e; ++i) {
    int64_t place = 0;
    bool isInside = true;
    for (size_t d = 0; d < dims.size(); ++d) {
      int64_t index = (i / from[d]) % x.dims[d] + spec.low[d];
      isInside &= index >= 0 && index < dims[d];
      place += index * to[d];
    }
    if (isInside)
      std::memcpy(bytes.data() + place * width, x.bytes().data() + i * width, width);
  }
  result.storage = std::make_shared<std::vector<char>>(std::move(bytes));
  return ctx.resultConstant(0, std::move(result)), success();
}

static LogicalResult importPad(NodeContext &ctx) {
  std::optional<PadSpec> spec = resolvePad(ctx);
  if (!spec)
    return failure();
  Dims dims = paddedDims(ctx, *spec);
  if (ctx.failed())
    return failure();
  if (spec->mode == "constant" && ctx.constant(0))
    return ctx.mayFold(dims, ctx.type(0)) ? foldConstantPad(ctx, *spec, dims) : failure();
  if (spec->mode == "constant")
    return importConstantPad(ctx, *spec, dims);
  if (spec->mode != "reflect" && spec->mode != "edge" && spec->mode != "wrap")
    return ctx.invalid("mode is " + spec->mode + ", expected constant, reflect, edge or wrap");
  if (!ctx.mayFold(dims, ctx.type(0)))
    return failure();
  return importTakingPad(ctx, *spec);
}

void anybit::onnx::addPadOps(OpTable &table) {
  table.add("Pad", {2, 11, 13, 18, 19, 21, 23, 24, 25})
      .inputs(1, 4)
      .constant(14)
      .emit(importPad)
      .fold(importPad)
      .notes("constant pads, value and axes");
}
