//===- FrameTile.h - tiles that read their input in another form -*- C++ -*-===//
//
// What the families popcount and table share: before its tiles a thread writes the rows of the input that its positions
// read, halo included, in the form of the family into its scratch: the frame.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_LIB_TARGET_CPU_FRAMETILE_H
#define ANYBIT_LIB_TARGET_CPU_FRAMETILE_H

#include "ColumnTile.h"
#include "InputFrame.h"

namespace anybit::cpu {

class FrameTile : public ColumnTile {
protected:
  FrameTile(mlir::OpBuilder &builder, lowbit::ConvOp op, llvm::ArrayRef<View> views, const CpuTarget &target)
      : ColumnTile(builder, op, views, target), frame(g, arguments.inputView(), /*skipsColumns=*/true),
        sourcePixel(input.pixel * frame.stepWidth) {}

  /// Half of a small second cache: the weights of a block need the rest.
  static constexpr int64_t halfOfCache = 256 << 10;
  /// Lays the frame out: `bytes` for the channels of a group at a position. `frames` of them lie behind one another,
  /// for a band of `leastTiles` or more at a time, all of which are at most `mostBytes` where that allows it.
  void layOut(int64_t bytes, int64_t frames, int64_t mostBytes, int64_t leastTiles);
  int64_t frameBytes() const { return inputBytes / frames; }
  /// Writes the codes of one group at one position, which lie at `from`, in the form of the family to `to`.
  virtual void prepareChannels(mlir::Value from, mlir::Value to) = 0;

private:
  mlir::Value prepareInput(mlir::Value first, mlir::Value last) override;
  void prepareRow(mlir::Value from, mlir::Value to);

  InputFrame frame;
  int64_t frames = 1;
  int64_t sourcePixel; ///< Distance of the positions of the frame in the input, bytes.
};

} // namespace anybit::cpu

#endif // ANYBIT_LIB_TARGET_CPU_FRAMETILE_H
