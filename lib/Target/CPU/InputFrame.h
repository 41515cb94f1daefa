//===- InputFrame.h - the rows of an input that windows read ----*- C++ -*-===//
//
// What the kernels share that rewrite their input to the scratch of the thread before they multiply it: `popcount` and
// `table` (FrameTile.h) change its form, `dot4` without byte products widens it.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_LIB_TARGET_CPU_INPUTFRAME_H
#define ANYBIT_LIB_TARGET_CPU_INPUTFRAME_H

#include "ConvGeometry.h"

namespace anybit::cpu {

/// The rows and positions of the images that windows read, counted from the first window: a kernel of one row skips the
/// rows between its strides, one of one column the positions if `skipsColumns`.
class InputFrame {
public:
  InputFrame(const Geometry &g, const View &view, bool skipsColumns);

  /// Calls `rewrite` with every row that the windows of outputs [first, last] read: where it lies in the input, and
  /// where it goes if the rows follow each other in the scratch of the thread, `rowBytes` apart. Returns where row 0 of
  /// the frame would lie there.
  mlir::Value rewriteRows(KernelBuilder &kb, mlir::Value first, mlir::Value last, int64_t rowBytes,
                          llvm::function_ref<void(mlir::Value from, mlir::Value to)> rewrite) const;
  /// The most rows that the windows of so many outputs in a row read.
  int64_t mostRows(int64_t positions) const;

  int64_t height, width;             ///< Of the frame of one image.
  int64_t stepHeight, stepWidth;     ///< Distance of its rows and positions in the input.
  int64_t strideHeight, strideWidth; ///< Of windows in the frame.

private:
  /// The row, counted over the frames of all images, `below` rows below the first of the window of output `position`.
  mlir::Value rowOf(KernelBuilder &kb, mlir::Value position, int64_t below) const;
  mlir::Value address(KernelBuilder &kb, mlir::Value row) const;

  const Geometry &g;
  PixelStrides source;
};

} // namespace anybit::cpu

#endif // ANYBIT_LIB_TARGET_CPU_INPUTFRAME_H
