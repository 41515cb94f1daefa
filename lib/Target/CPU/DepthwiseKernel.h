//===- DepthwiseKernel.h - what depthwise kernels share ---------*- C++ -*-===//
#ifndef ANYBIT_LIB_TARGET_CPU_DEPTHWISEKERNEL_H
#define ANYBIT_LIB_TARGET_CPU_DEPTHWISEKERNEL_H

#include "ConvGeometry.h"

namespace anybit::cpu {

/// The grid and the addresses of a kernel with channels in lanes. The grid is rows of tiles of output positions (where
/// the output has one row, tiles) by channel blocks, so that threads share both.
class DepthwiseKernel {
protected:
  DepthwiseKernel(mlir::OpBuilder &builder, lowbit::ConvOp op, llvm::ArrayRef<View> views, const CpuTarget &target)
      : op(op), views(views), target(target), real(op.isReal()), g(op),
        kb(builder, op.getLoc(), 1 + 1 + !op.isReal() + views.size() - 1) {}

  /// First output position of a tile of `tileHeight` by `tileWidth`.
  struct Position {
    mlir::Value image, y, x;
  };
  using Block = llvm::function_ref<void(mlir::Value index, Position first)>;

  /// Calls `block` with every index of a channel block and first position of a row of tiles (of a tile) of the grid.
  int64_t grid(int64_t blocks, Block block);
  /// Positions of the other tiles of a row: `tile` gets x of the first position. Tiles overlap at the end.
  void tiles(Position first, llvm::function_ref<void(Position)> tile);
  bool oneRow() const { return g.height == 1; }

  /// Address of `channel` at a position of a view; in the input, of the first element of its window.
  mlir::Value address(size_t view, const Position &position, mlir::Value channel);
  mlir::Value parameterAddress(size_t view, mlir::Value element) {
    return kb.at(pointwise(view), kb.mul(element, views[view].elementBytes()));
  }
  bool perChannel(size_t view) const { return views[view].shape.size() == 1; }

  lowbit::ConvOp op;
  llvm::ArrayRef<View> views;
  const CpuTarget &target;
  bool real;
  Geometry g;
  KernelBuilder kb;
  int64_t tileHeight = 1, tileWidth = 1;

private:
  mlir::Value pointwise(size_t view) { return kb.argument(view ? (real ? 2 : 3) + view - 1 : 0); }
};

} // namespace anybit::cpu

#endif // ANYBIT_LIB_TARGET_CPU_DEPTHWISEKERNEL_H
