// RUN: anybit-opt %s --split-input-file --verify-diagnostics \
// RUN:   --pass-pipeline='builtin.module(func.func(anybit-pack-weights{target=x86-64}))'
// RUN: not anybit-opt %s --pass-pipeline='builtin.module(func.func(anybit-pack-weights{target=pdp11}))' 2>&1 \
// RUN:   | FileCheck %s --check-prefix=CPU
// RUN: not anybit-opt %s --pass-pipeline='builtin.module(func.func(anybit-pack-weights{target=haswell,+warp}))' 2>&1 \
// RUN:   | FileCheck %s --check-prefix=FEATURE

// CPU: unknown target cpu 'pdp11', use native, x86-64, x86-64-v3, x86-64-v4 or a cpu name of llvm such as znver4 or haswell
// FEATURE: unknown target feature '+warp', write +name or -name with a feature of llvm

// Codes are packed now or never.
func.func @weights_of_a_caller(%x: tensor<1x4x8xi8>, %w: tensor<4x4x1xi8>, %r: tensor<1x4x8xi8>) -> tensor<1x4x8xi8> {
  // expected-error@+1 {{'lowbit.conv' op has codes as weights that are not constant}}
  %y = lowbit.conv %x, %w params(%r) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %r0: i8):
    lowbit.yield %r0 : i8
  } : tensor<1x4x8xi8>, tensor<4x4x1xi8>, (tensor<1x4x8xi8>) -> tensor<1x4x8xi8>
  return %y : tensor<1x4x8xi8>
}

// -----

// A kernel would read past it.
func.func @bias_of_a_caller(%x: tensor<1x4x8xi8>, %m: tensor<4xf32>) -> tensor<1x4x8xf32> {
  %w = arith.constant dense<1> : tensor<4x4x1xi8>
  // expected-error@+1 {{'lowbit.conv' op has a per-channel parameter that is not constant}}
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    lowbit.yield %m0 : f32
  } : tensor<1x4x8xi8>, tensor<4x4x1xi8>, (tensor<4xf32>) -> tensor<1x4x8xf32>
  return %y : tensor<1x4x8xf32>
}
