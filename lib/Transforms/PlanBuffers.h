//===- PlanBuffers.h - places of tensors ------------------------*- C++ -*-===//
#ifndef ANYBIT_LIB_TRANSFORMS_PLANBUFFERS_H
#define ANYBIT_LIB_TRANSFORMS_PLANBUFFERS_H

#include "anybit/Dialect/Plan/IR/Plan.h"
#include "anybit/Target/CPU/Kernels.h"

#include "llvm/ADT/SmallBitVector.h"

#include <vector>

namespace anybit {

/// A piece of memory of one variant.
struct Buffer {
  plan::ArgumentKind kind = plan::ArgumentKind::Arena;
  uint32_t index = 0;             ///< Of an input or output.
  mlir::FlatSymbolRefAttr symbol; ///< Of a constant.
  int64_t bytes = 0;
  int64_t firstUse = -1, lastUse = -1; ///< Dispatch numbers.
  int64_t offset = 0;                  ///< In the arena, after assignOffsets.
};

/// Where a tensor lies.
struct Place {
  unsigned buffer = 0;
  int64_t offset = 0; ///< Bytes from the start of the buffer to the first element.
  cpu::View view;
  cpu::Halo halo; ///< Around the tensor, inside of the buffer.
};

/// Dense strides with the last dimension innermost.
cpu::View rowMajor(mlir::RankedTensorType type);
/// Strides with dimension 1 innermost, for rank 3 and 4; with room for a halo around the spatial dimensions. pitch:
/// elements from a position to the next, 0 for all channels.
cpu::View channelsLast(mlir::RankedTensorType type, const cpu::Halo &halo, int64_t pitch = 0);
/// Whether two views address their elements alike; strides of dimensions of one element do not matter.
bool sameStrides(const cpu::View &a, const cpu::View &b);
/// Bytes from the first to behind the last element.
int64_t extentBytes(const cpu::View &view);

/// Gives every arena buffer an offset such that buffers that live at the same time do not overlap. Returns the bytes of
/// the arena. Greedy by size: the largest buffer first, at the lowest offset that is free for its lifetime.
int64_t assignOffsets(std::vector<Buffer> &buffers);

/// View ops on a place; nothing where strides cannot express the result.
std::optional<Place> viewOfReshape(const Place &source, mlir::RankedTensorType type);
Place viewOfSlice(const Place &source, mlir::ArrayRef<int64_t> offsets, mlir::ArrayRef<int64_t> sizes,
                  mlir::ArrayRef<int64_t> steps, const llvm::SmallBitVector &dropped);
Place viewOfTranspose(const Place &source, mlir::ArrayRef<int64_t> permutation);

} // namespace anybit

#endif // ANYBIT_LIB_TRANSFORMS_PLANBUFFERS_H
