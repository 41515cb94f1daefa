// RUN: anybit-opt %s --anybit-stage-kernels=target=x86-64 | FileCheck %s

// The caller's tensors are row-major, kernels want channels innermost: a copy of 2 x 3 pixels of 5 channels. The loops run
// in the order of the destination; strides are 12, 4 of a row and a pixel, 24 of a channel, against 60, 20, 4.
// CHECK:       plan.variant @f32
// CHECK-NEXT:    plan.dispatch @[[IN:copy_[0-9]+]] layer "" grid 2 [#plan.argument<input>, #plan.argument<arena>]
// CHECK:       func.func @[[IN]](%[[FROM:[^ ]+]]: !llvm.ptr {llvm.noalias}, %[[TO:[^ ]+]]: !llvm.ptr {llvm.noalias}, %[[BEGIN:[^ ]+]]: i64, %[[END:[^ ]+]]: i64
// CHECK:         scf.for %[[Y:.+]] = %[[BEGIN]] to %[[END]]
// CHECK:           arith.constant 12 : i64
// CHECK:           arith.constant 60 : i64
// CHECK:           scf.for
// CHECK:             arith.constant 4 : i64
// CHECK:             arith.constant 20 : i64
// CHECK:             scf.for
// CHECK:               arith.constant 24 : i64
// CHECK:               arith.constant 4 : i64
// CHECK:               %[[READ:.+]] = llvm.getelementptr %[[FROM]]
// CHECK-NEXT:          %[[VALUE:.+]] = llvm.load %[[READ]] {alignment = 4 : i64} : !llvm.ptr -> f32
// CHECK-NEXT:          %[[WRITE:.+]] = llvm.getelementptr %[[TO]]
// CHECK-NEXT:          llvm.store %[[VALUE]], %[[WRITE]] {alignment = 4 : i64} : f32, !llvm.ptr
func.func @f32(%x: tensor<1x5x2x3xf32>) -> tensor<1x5x1x1xf32> attributes {anybit.candidate = "f32"} {
  %y = msq.pool %x {kind = #msq.pool<max>, kernel = array<i64: 2, 3>, strides = array<i64: 1, 1>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x5x2x3xf32> -> tensor<1x5x1x1xf32>
  return %y : tensor<1x5x1x1xf32>
}
