//===- StencilChoice.h - which ops Halide computes --------------*- C++ -*-===//
#ifndef ANYBIT_LIB_TARGET_CPU_STENCILCHOICE_H
#define ANYBIT_LIB_TARGET_CPU_STENCILCHOICE_H

#include "anybit/Halide/Objects.h"
#include "anybit/Target/CPU/Kernels.h"

namespace anybit::cpu {

/// An object of Halide, and why it is chosen.
struct Stencil {
  const HalideObject *object = nullptr; ///< Null: the kernels of our own.
  llvm::StringRef reason;
};

Stencil chooseStencil(msq::PoolOp op, const View &input, const View &output, const CpuTarget &target);
/// Of a linear resize of rows and columns.
Stencil chooseLinearResize(const View &input, const View &output, const CpuTarget &target);

} // namespace anybit::cpu

#endif // ANYBIT_LIB_TARGET_CPU_STENCILCHOICE_H
