//===- TransposeKernel.h - elementwise ops across layouts -------*- C++ -*-===//
#ifndef ANYBIT_LIB_TARGET_CPU_TRANSPOSEKERNEL_H
#define ANYBIT_LIB_TARGET_CPU_TRANSPOSEKERNEL_H

#include "KernelBuilder.h"

#include <optional>

namespace anybit::cpu {

/// Computes the lanes of the result from those of the input.
using LaneFunction = llvm::function_ref<mlir::Value(KernelBuilder &kb, mlir::Value lanes, int64_t count)>;

/// `output` = `compute`(`input`), element by element, where neighbours of one lie apart in the other: in tiles that are
/// read along the one and written along the other. Nothing where the two agree or a dimension is too short for lanes.
std::optional<Kernel> buildTransposeKernel(mlir::OpBuilder &builder, mlir::Location loc, const View &input,
                                           const View &output, const CpuTarget &target, LaneFunction compute);

} // namespace anybit::cpu

#endif // ANYBIT_LIB_TARGET_CPU_TRANSPOSEKERNEL_H
