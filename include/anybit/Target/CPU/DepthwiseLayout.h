//===- DepthwiseLayout.h - weights of depthwise dot products ----*- C++ -*-===//
//
// Where a dot product sums four bytes a lane, a depthwise kernel interleaves four taps of every channel into a dword
// (docs/kernels.md). The interleaving permutes channels among registers; weights, initial accumulators and per-channel
// parameters are stored in that order, so that only codes are ever moved.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_TARGET_CPU_DEPTHWISELAYOUT_H
#define ANYBIT_TARGET_CPU_DEPTHWISELAYOUT_H

#include "anybit/Dialect/Lowbit/IR/Lowbit.h"
#include "anybit/Target/CPU/CpuTarget.h"

namespace anybit::cpu {

/// Channels [start, start + valid) in the `width` bytes of one register. The last blocks of a layer overlap instead of
/// being shorter; `valid` is below `width` only where a layer has fewer channels than the narrowest register.
struct ChannelBlock {
  int64_t start, width, valid;
};

/// The order of weights and per-channel constants of one depthwise convolution of codes.
struct DepthwiseLayout {
  /// Dwords of one channel block fill this many registers: four codes become one dword each.
  static constexpr int64_t registers = 4;

  DepthwiseLayout(lowbit::ConvOp op, const CpuTarget &target);

  /// Whether the kernel of this convolution on this target is made of dot products.
  static bool applies(lowbit::ConvOp op, const CpuTarget &target);

  /// Bytes of weights of a block, of one of its registers, and from the start of the block to register 0 of a step.
  int64_t blockBytes(int64_t width) const { return steps * quads * outputs * registers * registerBytes(width); }
  int64_t registerBytes(int64_t width) const { return width * parts; }
  int64_t stepOffset(int64_t width, int64_t step, int64_t quad, int64_t output) const {
    return ((step * quads + quad) * outputs + output) * registers * registerBytes(width);
  }

  /// `taps`: int8 [channel][kernel row][kernel column]. Result: [block][step][quad][output][register][part][lane].
  std::vector<char> packWeights(llvm::ArrayRef<int8_t> taps) const;
  /// Channels in the order of registers, block after block; -1 where a lane has none.
  std::vector<int64_t> channelOrder() const;

  std::vector<ChannelBlock> blocks;
  int64_t fullBlocks = 0; ///< These come first and have the widest register.
  bool vertical = true;   ///< Four kernel rows make a dword; else four kernel columns.
  int64_t taps = 1;       ///< Kernel size along the axis of the dwords.
  int64_t steps = 1;      ///< Kernel size along the other axis.
  int64_t stride = 1;     ///< Along the axis of the dwords.
  int64_t outputs = 1;    ///< Neighbouring outputs along that axis that share dwords.
  int64_t quads = 1;      ///< Dwords that hold the taps of `outputs` outputs.
  int64_t parts = 1;      ///< 1: four int8 a lane; 2: taps 0 and 2, then 1 and 3, as int16 (VPMADDWD).

private:
  void addBlocks(int64_t channels, int64_t widest);
  int8_t weight(llvm::ArrayRef<int8_t> channelTaps, int64_t step, int64_t tap) const;
};

} // namespace anybit::cpu

#endif // ANYBIT_TARGET_CPU_DEPTHWISELAYOUT_H
