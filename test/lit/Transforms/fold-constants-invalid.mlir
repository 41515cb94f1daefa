// RUN: anybit-opt %s --split-input-file --verify-diagnostics \
// RUN:   --pass-pipeline='builtin.module(func.func(anybit-fold-constants))'

// Kernels are generated for a width, so a width that a caller gives has none.
func.func @width_of_input(%x: tensor<4xf32>, %bits: tensor<i64>) -> tensor<4xi8> {
  %scale = arith.constant dense<1.0> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  // expected-error@+1 {{'msq.quantize' op has a width that does not fold to a constant}}
  %codes = msq.quantize %x, %scale, %zero bits %bits {format = #msq.format<unsigned, 8>}
      : tensor<4xf32>, tensor<f32>, tensor<i32> -> tensor<4xi8>
  return %codes : tensor<4xi8>
}

// -----

// All of them are reported at once.
func.func @wide(%x: tensor<4xf32>) -> tensor<4xf32> {
  %nine = arith.constant dense<9> : tensor<i64>
  %none = arith.constant dense<0> : tensor<i64>
  %scale = arith.constant dense<1.0> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  // expected-error@+1 {{'msq.quantize' op has a width of 9 bits, expected 1 to 8}}
  %codes = msq.quantize %x, %scale, %zero bits %nine {format = #msq.format<unsigned, 8>}
      : tensor<4xf32>, tensor<f32>, tensor<i32> -> tensor<4xi8>
  // expected-error@+1 {{'msq.dequantize' op has a width of 0 bits, expected 1 to 8}}
  %y = msq.dequantize %codes, %scale, %zero bits %none {format = #msq.format<unsigned, 8>}
      : tensor<4xi8>, tensor<f32>, tensor<i32> -> tensor<4xf32>
  return %y : tensor<4xf32>
}
