// REQUIRES: x86_64
// RUN: anybit-opt %s --split-input-file --anybit-stage-kernels=target=x86-64-v3 | FileCheck %s

// What no object of Halide computes, or not faster (docs/kernels.md, "Against Halide").
// CHECK-NOT: halide

// Windows that are dilated.
// CHECK: plan.variant @dilated
func.func @dilated(%x: tensor<1x64x80x80xf32>) -> tensor<1x64x38x38xf32> attributes {anybit.candidate = "dilated"} {
  %y = msq.pool %x {kind = #msq.pool<max>, kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 2, 2>} : tensor<1x64x80x80xf32> -> tensor<1x64x38x38xf32>
  return %y : tensor<1x64x38x38xf32>
}

// -----

// Channels that registers do not divide.
// CHECK-NOT: halide
// CHECK: plan.variant @channels
func.func @channels(%x: tensor<1x68x80x80xf32>) -> tensor<1x68x40x40xf32> attributes {anybit.candidate = "channels"} {
  %y = msq.pool %x {kind = #msq.pool<max>, kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
      pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x68x80x80xf32> -> tensor<1x68x40x40xf32>
  return %y : tensor<1x68x40x40xf32>
}

// -----

// An image of less than a megabyte.
// CHECK-NOT: halide
// CHECK: plan.variant @small
func.func @small(%x: tensor<4x64x56x56xf32>) -> tensor<4x64x28x28xf32> attributes {anybit.candidate = "small"} {
  %y = msq.pool %x {kind = #msq.pool<max>, kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
      pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<4x64x56x56xf32> -> tensor<4x64x28x28xf32>
  return %y : tensor<4x64x28x28xf32>
}

// -----

// A window that lies in the padding alone: no position of it is at the border.
// CHECK-NOT: halide
// CHECK: plan.variant @padding
func.func @padding(%x: tensor<1x64x80x80xf32>) -> tensor<1x64x41x40xf32> attributes {anybit.candidate = "padding"} {
  %y = msq.pool %x {kind = #msq.pool<max>, kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
      pads = array<i64: 3, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x64x80x80xf32> -> tensor<1x64x41x40xf32>
  return %y : tensor<1x64x41x40xf32>
}

// -----

// Codes, and averages.
// CHECK-NOT: halide
// CHECK: plan.variant @codes
func.func @codes(%x: tensor<1x256x80x80xi8>) -> tensor<1x256x40x40xi8> attributes {anybit.candidate = "codes"} {
  %y = msq.pool %x {kind = #msq.pool<max>, kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
      pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x256x80x80xi8> -> tensor<1x256x40x40xi8>
  return %y : tensor<1x256x40x40xi8>
}

// -----

// CHECK-NOT: halide
// CHECK: plan.variant @average
func.func @average(%x: tensor<1x64x80x80xf32>) -> tensor<1x64x40x40xf32> attributes {anybit.candidate = "average"} {
  %y = msq.pool %x {kind = #msq.pool<average>, kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
      pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x64x80x80xf32> -> tensor<1x64x40x40xf32>
  return %y : tensor<1x64x40x40xf32>
}
// CHECK-NOT: halide
