// RUN: anybit-opt %s --anybit-stage-schedule=target=x86-64 --anybit-stage-kernels=target=x86-64 | FileCheck %s --check-prefix=SSE
// RUN: anybit-opt %s --anybit-stage-schedule=target=x86-64-v3 --anybit-stage-kernels=target=x86-64-v3 | FileCheck %s --check-prefix=AVX2

// Few outputs of one bit fill no whole word of a step where a register has 4 columns: 2 bits of storage there.
// SSE:    plan.constant @{{.+}} : tensor<{{[0-9]+}}xi8, #lowbit.packed<dot4, columns = 4, bits = 2, taps = 1, planes = 1>>
// AVX2:   plan.constant @{{.+}} : tensor<{{[0-9]+}}xi8, #lowbit.packed<dot4, columns = 8, bits = 1, taps = 1, planes = 1, pair_steps = 64>>
func.func @w1(%x: tensor<1x8x1x1xi8>) -> tensor<1x4x1x1xf32> attributes {anybit.candidate = "w1"} {
  %w = arith.constant dense<1> : tensor<4x8x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<4xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32,
      weight_format = #msq.format<odd, 1>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    lowbit.yield %scaled : f32
  } : tensor<1x8x1x1xi8>, tensor<4x8x1x1xi8>, (tensor<4xf32>) -> tensor<1x4x1x1xf32>
  return %y : tensor<1x4x1x1xf32>
}
