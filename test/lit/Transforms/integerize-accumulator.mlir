// RUN: not anybit-opt %s --pass-pipeline='builtin.module(func.func(anybit-integerize))' 2>&1 | FileCheck %s

// Numerics N4: what may leave int32 is refused. The bound is that of the weights themselves: 66000 * 128 * 255.
// CHECK: error: 'msq.conv' op unsupported: the accumulator may reach 2154240000, beyond int32; use fewer bits or split the reduction
func.func @too_long(%q: tensor<1x66000x1xi8>) -> tensor<1x1x1xf32> {
  %one = arith.constant dense<1.0> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %w = arith.constant dense<-128> : tensor<1x66000x1xi8>
  %x = msq.dequantize %q, %one, %zero {format = #msq.format<unsigned, 8>}
      : tensor<1x66000x1xi8>, tensor<f32>, tensor<i32> -> tensor<1x66000x1xf32>
  %weights = msq.dequantize %w, %one, %zero {format = #msq.format<signed, 8>}
      : tensor<1x66000x1xi8>, tensor<f32>, tensor<i32> -> tensor<1x66000x1xf32>
  %y = msq.conv %x, %weights {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>}
      : tensor<1x66000x1xf32>, tensor<1x66000x1xf32> -> tensor<1x1x1xf32>
  return %y : tensor<1x1x1xf32>
}
