#include "Emit.h"
#include "OpTable.h"
#include "Tensors.h"

#include "anybit/Dialect/Msq/IR/Msq.h"

using namespace mlir;
using namespace anybit;
using namespace anybit::onnx;

namespace {
struct ResizeSpec {
  std::string mode, coordinates, nearest;
  SmallVector<double> scales;
  Dims dims;
};
} // namespace

/// The constant numbers of an input, empty if it is absent or has none.
static SmallVector<double> numbersOf(NodeContext &ctx, unsigned i) {
  const Tensor *tensor = ctx.constant(i);
  if (!tensor || elementBytes(tensor->type) == 0)
    return {};
  std::vector<double> numbers = elementsOf<double>(*tensor);
  return SmallVector<double>(numbers.begin(), numbers.end());
}

/// Modes by version: version 10 is the older Upsample; later ones name the coordinates.
static LogicalResult resolveModes(NodeContext &ctx, ResizeSpec &spec) {
  bool isOld = ctx.node.op == "Upsample" || ctx.opset() < 11;
  spec.mode = ctx.stringAttr("mode", "nearest");
  spec.coordinates = isOld ? "asymmetric" : ctx.stringAttr("coordinate_transformation_mode", "half_pixel");
  spec.nearest = isOld ? "floor" : ctx.stringAttr("nearest_mode", "round_prefer_floor");
  if (spec.mode == "bilinear")
    spec.mode = "linear";
  if (ctx.failed())
    return failure();
  if (spec.mode != "nearest" && spec.mode != "linear")
    return ctx.unsupported("mode is " + spec.mode + ", expected nearest or linear");
  static constexpr StringLiteral coordinates[] = {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",
                                                  "align_corners", "asymmetric"};
  static constexpr StringLiteral roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
  if (!llvm::is_contained(coordinates, spec.coordinates))
    return ctx.unsupported("coordinate_transformation_mode is " + spec.coordinates +
                           ", expected half_pixel, "
                           "half_pixel_symmetric, pytorch_half_pixel, align_corners or asymmetric");
  if (!llvm::is_contained(roundings, spec.nearest))
    return ctx.invalid("nearest_mode is " + spec.nearest);
  if (ctx.intAttr("antialias", 0) != 0)
    return ctx.unsupported("antialias is 1; only plain interpolation is implemented");
  return success(!ctx.failed());
}

/// Sizes made equal in scale: `keep_aspect_ratio_policy` not_larger or not_smaller.
static LogicalResult applyPolicy(NodeContext &ctx, ResizeSpec &spec, ArrayRef<int64_t> axes) {
  std::string policy = ctx.stringAttr("keep_aspect_ratio_policy", "stretch");
  if (policy == "stretch" || axes.empty())
    return success(!ctx.failed());
  if (policy != "not_larger" && policy != "not_smaller")
    return ctx.invalid("keep_aspect_ratio_policy is " + policy);
  double scale = spec.scales[axes[0]];
  for (int64_t axis : axes)
    scale = policy == "not_larger" ? std::min(scale, spec.scales[axis]) : std::max(scale, spec.scales[axis]);
  for (int64_t axis : axes) {
    spec.scales[axis] = scale;
    spec.dims[axis] = int64_t(std::floor(scale * double(ctx.dims(0)[axis]) + 0.5));
  }
  return success();
}

static LogicalResult resolveExtents(NodeContext &ctx, ResizeSpec &spec, ArrayRef<double> scales,
                                    ArrayRef<double> sizes) {
  Dims axes;
  for (int64_t d = 0; d < ctx.rank(0); ++d)
    axes.push_back(d);
  if (std::optional<Dims> given = ctx.intsAttr("axes"))
    axes = ctx.axes(*given, ctx.rank(0));
  ArrayRef<double> numbers = sizes.empty() ? scales : sizes;
  if (ctx.failed() || scales.empty() == sizes.empty() || numbers.size() != axes.size())
    return ctx.invalid("it needs " + Twine(axes.size()) + " constant scales or sizes, not both");
  spec.scales.assign(ctx.rank(0), 1.0);
  spec.dims.assign(ctx.dims(0).begin(), ctx.dims(0).end());
  for (auto [axis, number] : llvm::zip_equal(axes, numbers)) {
    double dim = double(ctx.dims(0)[axis]);
    double size = sizes.empty() ? std::floor(dim * number) : number;
    if (!(number > 0) || !(size >= 1) || !(size < double(int64_t(1) << 31)) || dim < 1)
      return ctx.invalid("dimension " + Twine(axis) + " of " + formatDims(ctx.dims(0)) +
                         " is resized to nothing or to "
                         "more than 2^31");
    spec.dims[axis] = int64_t(size);
    spec.scales[axis] = sizes.empty() ? number : size / dim;
  }
  return sizes.empty() ? success() : applyPolicy(ctx, spec, axes);
}

static LogicalResult importResize(NodeContext &ctx) {
  ResizeSpec spec;
  if (failed(resolveModes(ctx, spec)))
    return failure();
  bool isOld = ctx.node.op == "Upsample" || ctx.opset() < 11;
  SmallVector<double> scales = numbersOf(ctx, isOld ? 1 : 2), sizes = isOld ? SmallVector<double>() : numbersOf(ctx, 3);
  if (ctx.node.op == "Upsample" && ctx.opset() < 9) {
    std::vector<float> given = ctx.floatsAttr("scales").value_or(std::vector<float>());
    scales.assign(given.begin(), given.end());
  }
  if (failed(resolveExtents(ctx, spec, scales, sizes)))
    return failure();
  if (spec.mode == "linear" && ctx.type(0) != ElementType::Float)
    return ctx.unsupported("it interpolates " + elementName(ctx.type(0)) + ", expected float");
  if (ctx.checkedCount(spec.dims); ctx.failed())
    return failure();
  Value x = ctx.storedValue(0);
  auto type = RankedTensorType::get(spec.dims, tensorType(x).getElementType());
  ctx.resultLike(0, msq::ResizeOp::create(ctx.b, type, x, spec.mode, spec.coordinates, spec.nearest, spec.scales));
  return success();
}

void anybit::onnx::addResizeOps(OpTable &table) {
  table.add("Resize", {10, 11, 13, 18, 19})
      .inputs(1, 4)
      .constant(14)
      .emit(importResize)
      .notes("constant scales or sizes; nearest and linear, without antialias, tf_crop_and_resize and "
             "tf_half_pixel_for_nn; linear of float");
  table.add("Upsample", {7, 9})
      .inputs(1, 2)
      .constant(2)
      .emit(importResize)
      .notes("constant scales; nearest and linear; linear of float");
}
