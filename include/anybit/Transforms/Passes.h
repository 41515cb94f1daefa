#ifndef ANYBIT_TRANSFORMS_PASSES_H
#define ANYBIT_TRANSFORMS_PASSES_H

#include "anybit/Dialect/Lowbit/IR/Lowbit.h"
#include "anybit/Dialect/Msq/IR/Msq.h"
#include "anybit/Dialect/Plan/IR/Plan.h"
#include "anybit/Target/CPU/SharedTarget.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"

namespace anybit {

#define GEN_PASS_DECL
#include "anybit/Transforms/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "anybit/Transforms/Passes.h.inc"

} // namespace anybit

#endif // ANYBIT_TRANSFORMS_PASSES_H
