//===- KernelBuilder.h - vocabulary of kernel bodies ------------*- C++ -*-===//
//
// Address arithmetic in bytes on `!llvm.ptr`, loops on i64, vectors as values of `vector` type. Everything a kernel
// builder writes goes through these few words.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_LIB_TARGET_CPU_KERNELBUILDER_H
#define ANYBIT_LIB_TARGET_CPU_KERNELBUILDER_H

#include "anybit/Target/CPU/Kernels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"

namespace anybit::cpu {

class KernelBuilder {
public:
  /// Starts a function of `arguments` pointers; the insertion point is in its body.
  KernelBuilder(mlir::OpBuilder &builder, mlir::Location loc, unsigned arguments);

  mlir::Value argument(unsigned index) { return function.getArgument(index); }
  mlir::Value begin() { return function.getArgument(function.getNumArguments() - 3); }
  mlir::Value end() { return function.getArgument(function.getNumArguments() - 2); }
  mlir::Value scratch() { return function.getArgument(function.getNumArguments() - 1); }
  /// Ends the function.
  mlir::func::FuncOp finish();

  mlir::Value index(int64_t value);
  mlir::Value constant(mlir::Type type, mlir::TypedAttr scalar);
  mlir::Value integer(mlir::Type type, int64_t value);
  mlir::Value real(mlir::Type type, double value);

  /// a + b, a * constant, folding the trivial cases that would only make the text longer.
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value add(mlir::Value a, int64_t b) { return b ? add(a, index(b)) : a; }
  mlir::Value mul(mlir::Value a, int64_t b);
  mlir::Value divide(mlir::Value a, int64_t b);
  mlir::Value remainder(mlir::Value a, int64_t b);
  mlir::Value min(mlir::Value a, mlir::Value b);
  mlir::Value max(mlir::Value a, mlir::Value b);

  mlir::Value at(mlir::Value pointer, mlir::Value bytes);
  mlir::Value at(mlir::Value pointer, int64_t bytes);
  /// The same address, which the optimizer takes for another one; reads before and after are not moved past it nor
  /// merged. Without this, LLVM reads constants ahead of their loop or tile until they spill. An empty asm statement.
  mlir::Value opaque(mlir::Value pointer);
  /// The same vector, of which the optimizer does not know what it is the sum of: LLVM makes trees of chains of sums,
  /// which need more registers.
  mlir::Value opaqueVector(mlir::Value vector);
  mlir::Value load(mlir::Type type, mlir::Value pointer);
  void store(mlir::Value value, mlir::Value pointer);
  /// Asks for the line at `pointer`, which may be any address, in the second cache.
  void prefetch(mlir::Value pointer);
  /// Loads or stores the first `valid` lanes only; the other lanes of a load are zero.
  mlir::Value loadLanes(mlir::VectorType type, mlir::Value pointer, int64_t valid);
  void storeLanes(mlir::Value value, mlir::Value pointer, int64_t valid);
  /// The same where `condition`, an i1, holds; for targets with masks.
  void storeLanesIf(mlir::Value condition, mlir::Value value, mlir::Value pointer, int64_t valid);
  mlir::Value splat(mlir::VectorType type, mlir::Value scalar);

  using Body = llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value iv, mlir::ValueRange carried)>;
  /// for (iv = from; iv < to; iv += step) carried = body(iv, carried). A loop of one known trip is its body.
  llvm::SmallVector<mlir::Value> loop(mlir::Value from, mlir::Value to, int64_t step, mlir::ValueRange carried,
                                      Body body);
  llvm::SmallVector<mlir::Value> loop(int64_t count, mlir::ValueRange carried, Body body);
  /// A loop that carries nothing.
  void loop(mlir::Value from, mlir::Value to, llvm::function_ref<void(mlir::Value iv)> body);
  void loop(int64_t count, llvm::function_ref<void(mlir::Value iv)> body);

  void branch(mlir::Value condition, llvm::function_ref<void()> then, llvm::function_ref<void()> otherwise = nullptr);

  mlir::Value intrinsic(llvm::StringRef name, mlir::Type result, mlir::ValueRange operands);
  /// Of a register of bytes, those that `indices` name: in every 16 bytes those at 0 to 15 there (PSHUFB).
  mlir::Value shuffleBytes(mlir::Value table, mlir::Value indices);
  /// Of 64 bytes, those that the lower six bits of `indices` name (VPERMB).
  mlir::Value permuteBytes(mlir::Value table, mlir::Value indices);

  mlir::OpBuilder &b;
  mlir::Location loc;
  mlir::func::FuncOp function;
  mlir::Type i8, i16, i32, i64, f32, pointer;

private:
  mlir::Value lanesMask(mlir::VectorType type, int64_t valid);
};

/// Evaluates the scalar ops of `body` on vectors of `lanes` (1: scalars): `arguments` are the vector values of the
/// block's arguments. Returns the vector of every scalar.
mlir::IRMapping mapBody(KernelBuilder &kb, mlir::Block &body, mlir::ValueRange arguments, int64_t lanes);

/// The same; returns the operands of the terminator.
llvm::SmallVector<mlir::Value> expandBody(KernelBuilder &kb, mlir::Block &body, mlir::ValueRange arguments,
                                          int64_t lanes);

/// clamp(RNE(value) + zero, low, high) as i8, of a scalar or vector (numerics N1, N5): the value is clamped, then a
/// large constant is added, whose unit in the last place is one; the low bits are the integer. Exact for |value| <
/// 2^22, needs no rounding instruction.
mlir::Value buildRound(KernelBuilder &kb, mlir::Value value, int64_t low, int64_t high, int64_t zero);

} // namespace anybit::cpu

#endif // ANYBIT_LIB_TARGET_CPU_KERNELBUILDER_H
