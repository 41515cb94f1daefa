#include "Window.h"

using namespace mlir;
using namespace anybit::onnx;

/// Keeps the products below 2^63.
static constexpr int64_t largestExtent = int64_t(1) << 31;

Dims anybit::onnx::windowAttr(NodeContext &ctx, StringRef name, size_t count, int64_t lowest, int64_t otherwise) {
  std::optional<Dims> given = ctx.intsAttr(name);
  if (!given)
    return Dims(count, otherwise);
  bool good =
      given->size() == count && llvm::all_of(*given, [&](int64_t v) { return v >= lowest && v < largestExtent; });
  if (!good)
    (void)ctx.invalid("attribute " + name + " is " + formatDims(*given) + ", expected " + Twine(count) +
                      " numbers of at least " + Twine(lowest));
  return *given;
}

/// Pads of auto_pad SAME_UPPER or SAME_LOWER, and one window per stride.
static void resolveSame(Window &window, ArrayRef<int64_t> spatial, bool extraInFront) {
  size_t rank = spatial.size();
  for (size_t d = 0; d < rank; ++d) {
    int64_t reach = (window.kernel[d] - 1) * window.dilations[d] + 1;
    int64_t outputs = (spatial[d] + window.strides[d] - 1) / window.strides[d];
    int64_t total = std::max<int64_t>(0, (outputs - 1) * window.strides[d] + reach - spatial[d]);
    window.pads[d] = extraInFront ? total - total / 2 : total / 2;
    window.pads[d + rank] = total - window.pads[d];
    window.outputs.push_back(outputs);
  }
}

static LogicalResult resolveExplicit(NodeContext &ctx, Window &window, ArrayRef<int64_t> spatial) {
  bool isCeil = ctx.intAttr("ceil_mode", 0) != 0;
  size_t rank = spatial.size();
  for (size_t d = 0; d < rank; ++d) {
    int64_t reach = (window.kernel[d] - 1) * window.dilations[d] + 1;
    int64_t room = spatial[d] + window.pads[d] + window.pads[d + rank] - reach;
    if (room < 0)
      return ctx.invalid("a window of " + Twine(reach) + " does not fit " + Twine(room + reach) +
                         " positions of dimension " + Twine(d + 2));
    int64_t stride = window.strides[d];
    int64_t outputs = (room + (isCeil ? stride - 1 : 0)) / stride + 1;
    // A window that would begin in the padding behind the input does not count.
    if (isCeil && (outputs - 1) * stride >= spatial[d] + window.pads[d])
      --outputs;
    window.outputs.push_back(outputs);
  }
  return success();
}

std::optional<Window> anybit::onnx::resolveWindow(NodeContext &ctx, Dims kernel) {
  ArrayRef<int64_t> spatial = ctx.dims(0).drop_front(2);
  size_t rank = spatial.size();
  if (rank < 1 || rank > 2) {
    (void)ctx.unsupported("the input has rank " + Twine(rank + 2) + ", expected one or two spatial dimensions");
    return std::nullopt;
  }
  if (llvm::any_of(kernel, [](int64_t k) { return k < 1 || k >= largestExtent; }) ||
      llvm::any_of(spatial, [](int64_t s) { return s < 1 || s >= largestExtent; })) {
    (void)ctx.invalid("the kernel " + formatDims(kernel) + " or the input " + formatDims(ctx.dims(0)) +
                      " has no elements");
    return std::nullopt;
  }
  Window window;
  window.kernel = std::move(kernel);
  window.strides = windowAttr(ctx, "strides", rank, 1, 1);
  window.dilations = windowAttr(ctx, "dilations", rank, 1, 1);
  window.pads = windowAttr(ctx, "pads", 2 * rank, 0, 0);
  std::string mode = ctx.stringAttr("auto_pad", "NOTSET");
  if (ctx.failed())
    return std::nullopt;
  if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
    window.pads.assign(2 * rank, 0);
    resolveSame(window, spatial, mode == "SAME_LOWER");
    return window;
  }
  if (mode != "NOTSET" && mode != "VALID" && mode != "") {
    (void)ctx.invalid("auto_pad is " + mode + ", expected NOTSET, VALID, SAME_UPPER or SAME_LOWER");
    return std::nullopt;
  }
  if (mode == "VALID")
    window.pads.assign(2 * rank, 0);
  if (failed(resolveExplicit(ctx, window, spatial)))
    return std::nullopt;
  return window;
}
