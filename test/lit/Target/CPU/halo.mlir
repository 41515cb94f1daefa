// RUN: anybit-opt %s --anybit-stage-schedule=target=x86-64 --anybit-stage-kernels=target=x86-64 | FileCheck %s

// Padding lies around the input: one pixel on every side of 2x2x4 codes gives rows of 4 * 4 = 16 bytes. The copy starts
// at byte 16 + 4 of the buffer, the convolution one row and one pixel before it, at its first window.
// CHECK:       plan.variant @w4a4
// CHECK-NEXT:    plan.dispatch @[[COPY:copy_[0-9]+]] layer "" grid 2 [#plan.argument<input>, #plan.argument<arena, offset = 20>]
// CHECK-NEXT:    plan.dispatch @[[HALO:halo_[0-9]+]] layer "" grid 1 [#plan.argument<arena, offset = 20>]
// CHECK-NEXT:    plan.dispatch @conv_dot4_{{[0-9]+}} layer "" grid {{[0-9]+}} [#plan.argument<arena>, #plan.argument<constant

// The halo holds the code of zero, 200 (-56 as a byte): the rows above and below with their corners, 4 pixels of 4
// channels each, then 2 pixels at the left and at the right.
// CHECK:       func.func @[[HALO]](%[[AT:[^ ]+]]: !llvm.ptr
// CHECK:         %[[ZERO:.+]] = arith.constant -56 : i8
// CHECK:         arith.constant -20 : i64
// CHECK:         arith.constant 4 : i64
// CHECK:         llvm.store %[[ZERO]], %{{.+}} : i8, !llvm.ptr
// CHECK:         arith.constant 28 : i64
// CHECK:         llvm.store %[[ZERO]], %{{.+}} : i8, !llvm.ptr
// CHECK:         arith.constant -4 : i64
// CHECK:         llvm.store %[[ZERO]], %{{.+}} : i8, !llvm.ptr
// CHECK:         arith.constant 8 : i64
// CHECK:         llvm.store %[[ZERO]], %{{.+}} : i8, !llvm.ptr
// CHECK-NOT:     llvm.store
// CHECK:         return
func.func @w4a4(%x: tensor<1x4x2x2xi8>) -> tensor<1x4x2x2xf32> attributes {anybit.candidate = "w4a4"} {
  %w = arith.constant dense<1> : tensor<4x4x3x3xi8>
  %m = arith.constant dense<1.0> : tensor<4xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 3, 3>, input_zero = 200 : i32,
      weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    lowbit.yield %scaled : f32
  } : tensor<1x4x2x2xi8>, tensor<4x4x3x3xi8>, (tensor<4xf32>) -> tensor<1x4x2x2xf32>
  return %y : tensor<1x4x2x2xf32>
}
