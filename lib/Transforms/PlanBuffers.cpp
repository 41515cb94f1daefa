#include "PlanBuffers.h"

#include "anybit/abi.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace anybit {

/// What kernels see: bytes of the caller may be declared unsigned.
static Type signlessElement(RankedTensorType type) {
  Type element = type.getElementType();
  return element.isUnsignedInteger() ? IntegerType::get(type.getContext(), element.getIntOrFloatBitWidth()) : element;
}

cpu::View rowMajor(RankedTensorType type) {
  cpu::View view{signlessElement(type), SmallVector<int64_t, 4>(type.getShape()), {}};
  view.strides.assign(type.getRank(), 1);
  for (int64_t d = type.getRank() - 1; d > 0; --d)
    view.strides[d - 1] = view.strides[d] * type.getDimSize(d);
  return view;
}

cpu::View channelsLast(RankedTensorType type, const cpu::Halo &halo, int64_t pitch) {
  cpu::View view{signlessElement(type), SmallVector<int64_t, 4>(type.getShape()), {}};
  int64_t pixel = pitch ? pitch : type.getDimSize(1), width = type.getShape().back() + halo.left + halo.right;
  if (type.getRank() == 3) {
    view.strides = {width * pixel, 1, pixel};
    return view;
  }
  int64_t height = type.getDimSize(2) + halo.top + halo.bottom;
  view.strides = {height * width * pixel, 1, width * pixel, pixel};
  return view;
}

bool sameStrides(const cpu::View &a, const cpu::View &b) {
  for (size_t d = 0; d < a.shape.size(); ++d)
    if (a.shape[d] != 1 && a.strides[d] != b.strides[d])
      return false;
  return true;
}

int64_t extentBytes(const cpu::View &view) {
  int64_t last = 0;
  for (auto [size, stride] : llvm::zip(view.shape, view.strides)) {
    if (size == 0)
      return 0;
    last += (size - 1) * stride;
  }
  return (last + 1) * view.elementBytes();
}

int64_t assignOffsets(std::vector<Buffer> &buffers) {
  std::vector<unsigned> order, placed;
  for (unsigned i = 0; i < buffers.size(); ++i)
    if (buffers[i].kind == plan::ArgumentKind::Arena && buffers[i].firstUse >= 0)
      order.push_back(i);
  auto larger = [&](unsigned a, unsigned b) {
    return buffers[a].bytes != buffers[b].bytes ? buffers[a].bytes > buffers[b].bytes : a < b;
  };
  std::sort(order.begin(), order.end(), larger);
  // Kernels may read up to an alignment past a buffer (abi.h).
  auto room = [&](unsigned i) {
    return int64_t(llvm::alignTo(buffers[i].bytes + ANYBIT_ALIGNMENT, ANYBIT_ALIGNMENT));
  };
  int64_t arena = 0;
  for (unsigned i : order) {
    std::vector<std::pair<int64_t, int64_t>> taken;
    for (unsigned other : placed)
      if (buffers[other].firstUse <= buffers[i].lastUse && buffers[i].firstUse <= buffers[other].lastUse)
        taken.emplace_back(buffers[other].offset, buffers[other].offset + room(other));
    std::sort(taken.begin(), taken.end());
    int64_t offset = 0;
    for (auto [begin, end] : taken) {
      if (offset + room(i) <= begin)
        break;
      offset = std::max(offset, end);
    }
    buffers[i].offset = offset;
    placed.push_back(i);
    arena = std::max(arena, offset + room(i));
  }
  return arena;
}

/// Splits and joins dimensions from the outside in, as long as strides allow.
std::optional<Place> viewOfReshape(const Place &source, RankedTensorType type) {
  Place result = source;
  result.halo = {};
  result.view.shape.assign(type.getShape().begin(), type.getShape().end());
  result.view.strides.assign(type.getRank(), 0);
  // Dimensions of one element have no stride of their own.
  SmallVector<int64_t> shape, strides;
  for (auto [size, stride] : llvm::zip(source.view.shape, source.view.strides))
    if (size != 1) {
      shape.push_back(size);
      strides.push_back(stride);
    }
  size_t from = 0;
  int64_t d = 0;
  while (d < type.getRank()) {
    if (type.getDimSize(d) == 1) {
      ++d;
      continue;
    }
    // The smallest group of source and result dimensions of one size.
    size_t fromEnd = from;
    int64_t dEnd = d, sourceSize = shape[fromEnd++], resultSize = type.getDimSize(dEnd++);
    while (sourceSize != resultSize) {
      if (sourceSize < resultSize)
        sourceSize *= shape[fromEnd++];
      else
        resultSize *= type.getDimSize(dEnd++);
    }
    for (size_t i = from; i + 1 < fromEnd; ++i)
      if (strides[i] != strides[i + 1] * shape[i + 1])
        return std::nullopt;
    int64_t stride = strides[fromEnd - 1];
    for (int64_t i = dEnd - 1; i >= d; --i) {
      result.view.strides[i] = stride;
      stride *= type.getDimSize(i);
    }
    from = fromEnd;
    d = dEnd;
  }
  return result;
}

Place viewOfSlice(const Place &source, ArrayRef<int64_t> offsets, ArrayRef<int64_t> sizes, ArrayRef<int64_t> steps,
                  const llvm::SmallBitVector &dropped) {
  Place result = source;
  result.halo = {};
  result.view.shape.clear();
  result.view.strides.clear();
  for (size_t d = 0; d < offsets.size(); ++d) {
    result.offset += offsets[d] * source.view.strides[d] * source.view.elementBytes();
    if (dropped.test(d))
      continue;
    result.view.shape.push_back(sizes[d]);
    result.view.strides.push_back(source.view.strides[d] * steps[d]);
  }
  return result;
}

Place viewOfTranspose(const Place &source, ArrayRef<int64_t> permutation) {
  Place result = source;
  result.halo = {};
  for (size_t d = 0; d < permutation.size(); ++d) {
    result.view.shape[d] = source.view.shape[permutation[d]];
    result.view.strides[d] = source.view.strides[permutation[d]];
  }
  return result;
}

} // namespace anybit
