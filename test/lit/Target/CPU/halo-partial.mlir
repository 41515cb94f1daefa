// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule=target=x86-64 --anybit-stage-kernels=target=x86-64 | FileCheck %s

// Padding at the end only, and only as far as windows reach: a stride of 2 over 4 positions with kernel 3 needs one of
// the two pads at the end, so that the input starts its buffer and the convolution
// begins at its first element.
// CHECK:       plan.variant @one_dimension
// CHECK-NEXT:    plan.dispatch @transpose_0 layer "" grid 1 [#plan.argument<input>, #plan.argument<arena, offset = [[AT:[0-9]+]]>]
// CHECK-NEXT:    plan.dispatch @halo_1 layer "" grid 1 [#plan.argument<arena, offset = [[AT]]>]
// CHECK-NEXT:    plan.dispatch @conv_dot4_2 layer "" grid {{[0-9]+}} [#plan.argument<arena, offset = [[AT]]>,
// CHECK:       func.func @halo_1
// CHECK:         arith.constant 16 : i64
// CHECK:         llvm.store
// CHECK-NOT:     llvm.store
// CHECK:         return
func.func @one_dimension(%x: tensor<1x4x4xi8>) -> tensor<1x4x2xf32> attributes {anybit.candidate = "one_dimension"} {
  %w = arith.constant dense<1> : tensor<4x4x3xi8>
  %m = arith.constant dense<1.0> : tensor<4xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 2>, pads = array<i64: 0, 2>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 3>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    lowbit.yield %scaled : f32
  } : tensor<1x4x4xi8>, tensor<4x4x3xi8>, (tensor<4xf32>) -> tensor<1x4x2xf32>
  return %y : tensor<1x4x2xf32>
}

// -----

// Without padding nothing is filled.
// CHECK:       plan.variant @no_padding
// CHECK-NOT:   @halo
// CHECK:       plan.dispatch @conv_dot4
// CHECK-NOT:   @halo
func.func @no_padding(%x: tensor<1x4x4xi8>) -> tensor<1x4x2xf32> attributes {anybit.candidate = "no_padding"} {
  %w = arith.constant dense<1> : tensor<4x4x3xi8>
  %m = arith.constant dense<1.0> : tensor<4xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 3>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    lowbit.yield %scaled : f32
  } : tensor<1x4x4xi8>, tensor<4x4x3xi8>, (tensor<4xf32>) -> tensor<1x4x2xf32>
  return %y : tensor<1x4x2xf32>
}
