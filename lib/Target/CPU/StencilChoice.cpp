//===- StencilChoice.cpp - which ops Halide computes ----------------------===//
//
// The few cases in which an object of Halide was measured to be faster than the kernel of our own (docs/kernels.md,
// "Against Halide"), each with the conditions under which the object computes the same.
//
//===----------------------------------------------------------------------===//

#include "StencilChoice.h"

using namespace mlir;

namespace anybit::cpu {
namespace {

/// The object of `op` with the most instructions that the target has; null if there is none for it.
const HalideObject *objectFor(StringRef op, const CpuTarget &target) {
  auto isOnTarget = [&](StringRef feature) { return llvm::is_contained(target.required, feature); };
  const HalideObject *best = nullptr;
  for (const HalideObject &object : halideObjects())
    if (object.name.rsplit('_').first == op && llvm::all_of(llvm::split(object.features, ','), isOnTarget))
      best = &object;
  return best;
}

/// Halide counts elements of a buffer in 32 bits; one is left for halos.
bool isAddressable(const View &view) {
  int64_t last = 0;
  for (auto [size, stride] : llvm::zip(view.shape, view.strides))
    last += (size - 1) * stride;
  return last < std::numeric_limits<int32_t>::max() / 2;
}

/// Whether all windows begin less than their size before the tensor and none begins behind it: then a position at the
/// border that stands for one outside is in the window itself.
bool touchesTensor(msq::PoolOp op, const View &input, const View &output) {
  return llvm::all_of(llvm::seq(2), [&](int dim) {
    int64_t before = op.getPads()[dim], lastStart = (output.shape[dim + 2] - 1) * op.getStrides()[dim] - before;
    return before < op.getKernel()[dim] && lastStart < input.shape[dim + 2];
  });
}

bool isSquare(ArrayRef<int64_t> sizes, int64_t size) {
  return sizes.size() == 2 && llvm::all_of(sizes, [&](int64_t each) { return each == size; });
}

} // namespace

Stencil chooseStencil(msq::PoolOp op, const View &input, const View &output, const CpuTarget &target) {
  // Where the image does not stay in the nearest caches, what waits for memory is faster the simpler it is; else
  // instructions count, and ours are fewer: more positions share the maxima of their columns. Few channels, or some
  // that registers do not divide, are as fast with masks.
  constexpr int64_t leastBytes = 1 << 20, leastChannels = 64, positions = 2;
  if (op.getKind() != msq::PoolKind::Max || !input.element.isF32() || !isSquare(op.getKernel(), 3) ||
      !isSquare(op.getStrides(), 2) || !isSquare(op.getDilations(), 1))
    return {};
  int64_t channels = input.shape[1], bytes = channels * input.shape[2] * input.shape[3] * input.elementBytes();
  if (channels < leastChannels || channels % target.lanes32() != 0 || bytes < leastBytes)
    return {};
  if (output.shape[3] < positions || !isAddressable(input) || !isAddressable(output) ||
      !touchesTensor(op, input, output))
    return {};
  return {objectFor("max_f32_3x3s2", target), "measured faster than pool on images of a megabyte and more"};
}

Stencil chooseLinearResize(const View &input, const View &output, const CpuTarget &target) {
  // Our loops store what lies between columns and read it again. A few registers a position are too few work for the
  // loads of its tables.
  int64_t channels = input.shape[1], leastChannels = target.vectorBits == 512 ? 64 : 128;
  if (channels < leastChannels || channels % target.lanes32() != 0 || input.strides[1] != 1 || output.strides[1] != 1 ||
      !isAddressable(input) || !isAddressable(output))
    return {};
  return {objectFor("linear_f32", target), "both dimensions at once, measured faster than loops"};
}

} // namespace anybit::cpu
