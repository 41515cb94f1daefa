// RUN: anybit-opt %s --pass-pipeline='builtin.module(func.func(anybit-pack-weights{target=x86-64-v4}))' --verify-diagnostics

func.func @impossible(%x: tensor<1x64x14x14xi8>) -> tensor<1x16x14x14xf32> {
  %w = arith.constant dense<1> : tensor<16x64x1x1xi8>
  // expected-error @below {{is to be computed by dot4:4, which it has not on this target}}
  %y = lowbit.conv %x, %w params() attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 8>, weight_zero = 0 : i32, lowbit.choice = #lowbit.choice<dot4, vectors = 4, "">} {
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  } : tensor<1x64x14x14xi8>, tensor<16x64x1x1xi8> -> tensor<1x16x14x14xf32>
  return %y : tensor<1x16x14x14xf32>
}
