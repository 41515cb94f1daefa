//===- ColumnTile.h - register tiles with columns in lanes ------*- C++ -*-===//
//
// What the families dot4, real, popcount and table share: a tile of `rows` output positions by `vectors` registers of
// output channels, its place in the grid, and the epilogue. A family computes the sums of a tile.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_LIB_TARGET_CPU_COLUMNTILE_H
#define ANYBIT_LIB_TARGET_CPU_COLUMNTILE_H

#include "ConvGeometry.h"

namespace anybit::cpu {

class InputFrame;

class ColumnTile {
public:
  ColumnTile(mlir::OpBuilder &builder, lowbit::ConvOp op, llvm::ArrayRef<View> views, const CpuTarget &target);
  virtual ~ColumnTile() = default;

  Kernel build(llvm::StringRef family);

protected:
  /// Runs before the tiles of a part of the grid that covers the output positions [first, last]. Returns what the
  /// offsets of `input` are relative to.
  virtual mlir::Value prepareInput(mlir::Value first, mlir::Value last) { return kb.argument(ConvArguments::input); }
  /// Writes the weights of one column block in the order that `sums` reads; of `panelBytes`, if that is not 0.
  virtual void expandBlock(mlir::Value weights, mlir::Value to) {}
  /// Where the reduction of a tile reads weights, and where it may ask for those of the next block: the tiles of a
  /// block share its bytes, `aheadStep` in each step. `ahead` is null where nothing is worth asking for.
  struct Streams {
    mlir::Value weights, ahead, aheadStep;
  };
  /// Sums of the tile whose rows begin at `rowPointers`, row by row. `initial` are those that a row begins with.
  virtual llvm::SmallVector<mlir::Value> sums(Streams streams, llvm::ArrayRef<mlir::Value> rowPointers,
                                              mlir::ValueRange initial) = 0;
  /// Packed bytes of one column block.
  virtual int64_t blockBytes() const = 0;
  /// Steps of the reduction; 1 in families that do not read ahead.
  virtual int64_t steps() const { return 1; }
  int64_t tiles() const;
  /// Tiles read a copy of the rows of `frame` instead of the input, with positions `pixelBytes` apart, which is made for a
  /// band of tiles at a time: of at most `mostBytes`, but not for fewer than `leastTiles`. Returns the bytes of a band.
  /// `rows` is known by then.
  int64_t readFrame(const InputFrame &frame, int64_t pixelBytes, int64_t mostBytes, int64_t leastTiles);

  lowbit::ConvOp op;
  const CpuTarget &target;
  bool real;
  Geometry g;
  ConvArguments arguments;
  KernelBuilder kb;
  lowbit::PackedAttr packed;
  int64_t lanes, vectors;
  /// Where a tile reads: strides of positions, windows' strides in them, and the bytes of one group's channels.
  PixelStrides input;
  int64_t strideHeight, strideWidth, groupBytes;
  int64_t rows = 1, blocks;
  /// Scratch of a thread: what `prepareInput` writes, at its start, and behind that the expanded weights of a block.
  int64_t inputBytes = 0, panelBytes = 0;
  /// Tiles for which `prepareInput` runs at a time; 0: all of a part.
  int64_t bandTiles = 0;

private:
  /// Prepares the input of the tiles [from, to) and computes them for the blocks [firstBlock, lastBlock).
  void band(mlir::Value from, mlir::Value to, mlir::Value firstBlock, mlir::Value lastBlock, bool together);
  void blocksTogether(mlir::Value base, mlir::Value from, mlir::Value to);
  void blockAfterBlock(mlir::Value base, mlir::Value block, mlir::Value from, mlir::Value to);
  mlir::Value packedWeights(mlir::Value block);
  mlir::Value panel(mlir::Value block);
  int64_t readBytes() const { return panelBytes ? panelBytes : blockBytes(); }
  void tile(mlir::Value base, mlir::Value block, Streams streams, mlir::Value tileIndex);
  mlir::Value firstPosition(mlir::Value tileIndex);
  llvm::SmallVector<mlir::Value> loadInitial(mlir::Value block);
  void epilogue(mlir::Value channel, llvm::ArrayRef<mlir::Value> positions, llvm::ArrayRef<mlir::Value> accumulators,
                int64_t columns);
};

/// Weights in ANYBIT_ORDER_PLANES.
Kernel buildPopcountKernel(mlir::OpBuilder &builder, lowbit::ConvOp op, llvm::ArrayRef<View> views,
                           const CpuTarget &target);
Kernel buildTableKernel(mlir::OpBuilder &builder, lowbit::ConvOp op, llvm::ArrayRef<View> views,
                        const CpuTarget &target);
/// The same where the target has VPERMB and VPDPBUSD of 512 bits.
Kernel buildPermuteKernel(mlir::OpBuilder &builder, lowbit::ConvOp op, llvm::ArrayRef<View> views,
                          const CpuTarget &target);

} // namespace anybit::cpu

#endif // ANYBIT_LIB_TARGET_CPU_COLUMNTILE_H
