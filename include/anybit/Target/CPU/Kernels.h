//===- Kernels.h - kernel functions of a CPU --------------------*- C++ -*-===//
//
// Builds one function per kernel: `func.func @name(%argument: !llvm.ptr, …, %begin: i64, %end: i64, %scratch:
// !llvm.ptr)` that computes the part [begin, end) of its grid (runtime/include/anybit/abi.h). Everything static about a
// kernel (shapes, strides, formats, epilogue) is in its body; weights and epilogue constants are arguments, so layers
// and candidates that differ in constants only share a kernel.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_TARGET_CPU_KERNELS_H
#define ANYBIT_TARGET_CPU_KERNELS_H

#include "anybit/Dialect/Lowbit/IR/Lowbit.h"
#include "anybit/Target/CPU/CpuTarget.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include "anybit/weights.h"

#include <optional>

namespace anybit::cpu {

/// Where the elements of a tensor lie, relative to the pointer a kernel gets: one stride, in elements, per logical
/// dimension of the tensor.
struct View {
  mlir::Type element;
  llvm::SmallVector<int64_t, 4> shape;
  llvm::SmallVector<int64_t, 4> strides;

  int64_t elementBytes() const { return element.getIntOrFloatBitWidth() / 8 ? element.getIntOrFloatBitWidth() / 8 : 1; }
};

/// A kernel function and the extent of its grid.
struct Kernel {
  mlir::func::FuncOp function;
  int64_t grid = 1;
  llvm::StringRef family;
  int64_t scratchBytes = 0; ///< Per thread.
  llvm::StringRef reason;   ///< For people: why there is this one where others would do; may be empty.
};

/// Bits of the codes of an input.
unsigned inputBits(lowbit::ConvOp op);

/// `lowbit.conv` with packed weights. `views`: input (the pointer is at the first position of the first window, which may
/// lie in the halo), then the parameters and results in order; channels of all have stride 1. Arguments of the function:
/// input, weights, initial (codes only), parameters, results.
Kernel buildConvKernel(mlir::OpBuilder &builder, lowbit::ConvOp op, llvm::ArrayRef<View> views, const CpuTarget &target);

/// A `linalg.generic` on any strides. `views`: inputs, outputs, then tensors that the body reads by `tensor.extract`, in
/// order of first use; the arguments likewise. If `init` has a value the outputs start as that scalar constant.
Kernel buildGenericKernel(mlir::OpBuilder &builder, mlir::linalg::GenericOp op, llvm::ArrayRef<View> views,
                          llvm::ArrayRef<mlir::Value> extracted, llvm::ArrayRef<mlir::TypedAttr> inits,
                          const CpuTarget &target);

/// `msq.pool` on channels-last views: input, result.
Kernel buildPoolKernel(mlir::OpBuilder &builder, msq::PoolOp op, const View &input, const View &output,
                       const CpuTarget &target);

/// The same where Halide's object for the target is faster by measurement (docs/kernels.md, "Against Halide"): a function
/// of family "halide" that calls the object's, which it declares in the module of `builder`.
std::optional<Kernel> buildHalidePoolKernel(mlir::OpBuilder &builder, msq::PoolOp op, const View &input,
                                            const View &output, const CpuTarget &target);

/// Whether a linear resize of rows and columns between images of these views is one of Halide's cases.
bool isHalideResize(const View &input, const View &output, const CpuTarget &target);

/// Its kernel. `views`, and the arguments: the input, for columns the positions before and behind each and the weight of
/// that behind, the same for rows, the result. Images are channels-last.
Kernel buildHalideResizeKernel(mlir::OpBuilder &builder, mlir::Location loc, llvm::ArrayRef<View> views,
                               const CpuTarget &target);

/// Copies between two views of one shape.
Kernel buildCopyKernel(mlir::OpBuilder &builder, const View &input, const View &output, const CpuTarget &target);

/// Sets every element.
Kernel buildFillKernel(mlir::OpBuilder &builder, const View &output, mlir::TypedAttr value);

/// The frame around a channels-last tensor.
struct Halo {
  int64_t top = 0, left = 0, bottom = 0, right = 0;
  bool empty() const { return !(top | left | bottom | right); }
};

/// Fills the halo of `output` (the pointer is at its first element) with `value`.
Kernel buildHaloKernel(mlir::OpBuilder &builder, const View &output, const Halo &halo, mlir::TypedAttr value);

} // namespace anybit::cpu

#endif // ANYBIT_TARGET_CPU_KERNELS_H
