//===- ConvGeometry.h - static facts of one convolution ---------*- C++ -*-===//
#ifndef ANYBIT_LIB_TARGET_CPU_CONVGEOMETRY_H
#define ANYBIT_LIB_TARGET_CPU_CONVGEOMETRY_H

#include "KernelBuilder.h"

#include <functional>

namespace anybit::cpu {

struct LayerShape;

/// Fewer blocks of columns are too few to be shared evenly among threads.
constexpr int64_t leastBlocksToShare = 8;

/// Byte strides of a channels-last tensor over batch, image row and position.
struct PixelStrides {
  explicit PixelStrides(const View &view);
  /// Rows of `width` positions that lie side by side.
  PixelStrides(int64_t width, int64_t pixel) : row(width * pixel), pixel(pixel) {}
  int64_t batch = 0, row = 0, pixel = 0;
};

/// Sizes of a convolution; with one spatial dimension the height is 1.
struct Geometry {
  explicit Geometry(lowbit::ConvOp op);
  /// Without dilation.
  explicit Geometry(const LayerShape &layer);
  int64_t positions() const { return batch * height * width; }
  /// Byte offset of output position `position` in a tensor, or of the first element of its window.
  mlir::Value pixelOffset(KernelBuilder &kb, mlir::Value position, const PixelStrides &strides, int64_t strideHeight,
                          int64_t strideWidth) const;

  int64_t batch, height, width;    // of the output
  int64_t channelsIn, channelsOut; // per group
  int64_t groups, kernelHeight, kernelWidth;
  int64_t strideHeight, strideWidth, dilationHeight, dilationWidth;
};

/// The arguments of a kernel of `lowbit.conv` (Kernels.h): input, weights, initial (codes only), parameters, results.
class ConvArguments {
public:
  static constexpr unsigned input = 0, weights = 1, initial = 2;

  ConvArguments(lowbit::ConvOp op, llvm::ArrayRef<View> views) : op(op), views(views) {}
  unsigned count() const { return firstPointwise() + views.size() - 1; }
  bool isReal() const { return lowbit::ConvOp(op).isReal(); }
  const View &inputView() const { return views.front(); }

  /// An output position: its byte offset in a tensor of given strides, and whether there is such an output (null: always).
  struct Pixel {
    std::function<mlir::Value(const PixelStrides &)> offset;
    mlir::Value valid;
  };
  /// The output `position`.
  static Pixel pixelAt(KernelBuilder &kb, const Geometry &g, mlir::Value position);

  /// Maps a tile of accumulators (rows of registers of consecutive channels from `channel` on, one row for each of
  /// `pixels`) to the results and stores the first `valid` columns. `packs`: codes are packed by CodePacking, four registers
  /// at a time. Parameters per channel are read as whole registers: constants are padded.
  void emitEpilogue(KernelBuilder &kb, llvm::ArrayRef<mlir::Value> accumulators, llvm::ArrayRef<Pixel> pixels,
                    mlir::Value channel, int64_t valid, bool packs) const;

private:
  /// A register of accumulators of a tile, and where its results go.
  struct Register {
    mlir::Value accumulator;
    const Pixel *pixel;
    int64_t firstColumn;
  };
  void emitTogether(KernelBuilder &kb, llvm::ArrayRef<Register> registers, mlir::Value channel, int64_t valid,
                    bool packs) const;
  /// Rounds up to four registers and gives what belongs to one pixel to `store`, together.
  static void storePacked(KernelBuilder &kb, llvm::SmallVector<mlir::Value> reals, lowbit::RoundOp round,
                          llvm::ArrayRef<Register> registers,
                          llvm::function_ref<void(mlir::Value values, const Register &to)> store);
  mlir::IRMapping evaluate(KernelBuilder &kb, const Register &one, mlir::Value channel, int64_t valid) const;
  void store(KernelBuilder &kb, size_t result, mlir::Value values, const Register &to, mlir::Value channel,
             int64_t valid) const;
  unsigned firstPointwise() const { return isReal() ? 2 : 3; }
  mlir::Value pointer(KernelBuilder &kb, size_t pointwise, const Pixel &pixel, mlir::Value channel) const;

  lowbit::ConvOp op;
  llvm::ArrayRef<View> views;
};

/// Weights in tiles (docs/kernels.md, "amx").
Kernel buildAmxKernel(mlir::OpBuilder &builder, lowbit::ConvOp op, llvm::ArrayRef<View> views, const CpuTarget &target);

/// A depthwise convolution: one input and one output channel per group, channels in lanes. The kernel of dot products
/// needs the layout of DepthwiseLayout.h, the other one weights [tap][channel].
Kernel buildDepthwiseDotKernel(mlir::OpBuilder &builder, lowbit::ConvOp op, llvm::ArrayRef<View> views,
                               const CpuTarget &target);
Kernel buildDepthwiseKernel(mlir::OpBuilder &builder, lowbit::ConvOp op, llvm::ArrayRef<View> views,
                            const CpuTarget &target);

} // namespace anybit::cpu

#endif // ANYBIT_LIB_TARGET_CPU_CONVGEOMETRY_H
