// RUN: anybit-opt %s --pass-pipeline='builtin.module(func.func(anybit-fold-constants))' | FileCheck %s

// Wavelet synthesis and quantizers against vectors that were computed elsewhere (PyWavelets, orthonormal, periodized;
// DoReFa and PACT by their papers). The values of Haar are exact in float32.

// Numerics N3, closed form: t0 = .4375, tc = .3125, tr = .1875, td = .0625.
// CHECK-LABEL: func.func @haar
// CHECK-NEXT:    arith.constant dense<{{\[\[}}4.687500e-02, 1.562500e-02, 1.562500e-01, 4.687500e-01], [1.109375, 1.078125, 2.812500e-01, 5.937500e-01], [6.250000e-02, 4.375000e-01, 3.750000e-01, 2.500000e-01], [-4.375000e-01, -6.250000e-02, 7.500000e-01, 6.250000e-01]]> : tensor<4x4xf32>
func.func @haar() -> tensor<4x4xf32> {
  %w = arith.constant dense<[[1.0, -2.0, 0.5, 0.0], [0.25, 3.0, -1.0, 2.0], [0.0, 1.0, -0.5, 0.75],
                             [-1.5, 0.5, 2.0, -0.25]]> : tensor<4x4xf32>
  %alpha = arith.constant dense<[1.0, 0.5, 0.25, 0.0]> : tensor<4xf32>
  %mixed = msq.mix_bands %w, %alpha {layout = #msq.layout<tile>, wavelet = #msq.wavelet<haar>} : tensor<4x4xf32>
  return %mixed : tensor<4x4xf32>
}

// Odd sizes get one zero row and column at the far end, which are cut off again.
// CHECK-LABEL: func.func @haar_odd
// CHECK-NEXT:    arith.constant dense<{{\[\[\[\[}}2.125000e+00, 2.375000e+00, 2.437500e+00], [3.625000e+00, 3.875000e+00, 3.187500e+00], [5.562500e+00, 5.687500e+00, 3.937500e+00]]]]>
// CHECK-NEXT:    arith.constant dense<{{\[\[\[\[}}3.000000e+00, 3.000000e+00, 2.250000e+00], [3.000000e+00, 3.000000e+00, 2.250000e+00], [3.750000e+00, 3.750000e+00, 2.250000e+00]]]]>
func.func @haar_odd() -> (tensor<1x1x3x3xf32>, tensor<1x1x3x3xf32>) {
  %w = arith.constant dense<[[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]]> : tensor<1x1x3x3xf32>
  %alpha = arith.constant dense<[1.0, 0.5, 0.25, 0.0]> : tensor<4xf32>
  %low = arith.constant dense<[1.0, 0.0, 0.0, 0.0]> : tensor<4xf32>
  %mixed = msq.mix_bands %w, %alpha {layout = #msq.layout<spatial>, wavelet = #msq.wavelet<haar>}
      : tensor<1x1x3x3xf32>
  %only = msq.mix_bands %w, %low {layout = #msq.layout<tile>, wavelet = #msq.wavelet<haar>} : tensor<1x1x3x3xf32>
  return %mixed, %only : tensor<1x1x3x3xf32>, tensor<1x1x3x3xf32>
}

// Daubechies: the golden first row to six digits.
// CHECK-LABEL: func.func @db2
// CHECK-NEXT:    arith.constant dense<{{\[\[}}0.165001{{[0-9]*}}, -{{0.368253|3.68253}}{{[0-9]*}}{{(e-01)?}}, 0.052140{{[0-9]*}}, -0.007082{{[0-9]*}}],
func.func @db2() -> tensor<4x4xf32> {
  %w = arith.constant dense<[[1.0, -2.0, 0.5, 0.0], [0.25, 3.0, -1.0, 2.0], [0.0, 1.0, -0.5, 0.75],
                             [-1.5, 0.5, 2.0, -0.25]]> : tensor<4x4xf32>
  %alpha = arith.constant dense<[1.0, 0.5, 0.25, 0.0]> : tensor<4xf32>
  %mixed = msq.mix_bands %w, %alpha {layout = #msq.layout<matrix>, wavelet = #msq.wavelet<db2>} : tensor<4x4xf32>
  return %mixed : tensor<4x4xf32>
}

// DoReFa weights tanh(w)/max|tanh(w)| of [-.9, -.3, -.05, .02, .4, 1.1] on the odd grid: 2q-3 is [-3, -1, -1, 1, 1, 3] and
// 2q-7 is [-7, -3, -1, 1, 3, 7]; one bit is the sign, and that of zero is positive (numerics N1).
// CHECK-LABEL: func.func @odd
// CHECK-NEXT:    arith.constant dense<[0, 1, 1, 2, 2, 3]> : tensor<6xi8>
// CHECK-NEXT:    arith.constant dense<[0, 2, 3, 4, 5, 7]> : tensor<6xi8>
// CHECK-NEXT:    arith.constant dense<[0, 0, 1, 1, 1]> : tensor<5xi8>
func.func @odd() -> (tensor<6xi8>, tensor<6xi8>, tensor<5xi8>) {
  %zero = arith.constant dense<0> : tensor<i32>
  %third = arith.constant dense<0.333333343> : tensor<f32>
  %seventh = arith.constant dense<0.142857149> : tensor<f32>
  %mean = arith.constant dense<0.461667> : tensor<f32>
  %w = arith.constant dense<[-0.89477, -0.36391, -0.06242, 0.02498, 0.47464, 1.0]> : tensor<6xf32>
  %signs = arith.constant dense<[-1.1, -1.0e-6, 0.0, 1.0e-6, 1.1]> : tensor<5xf32>
  %two = msq.quantize %w, %third, %zero {format = #msq.format<odd, 2>}
      : tensor<6xf32>, tensor<f32>, tensor<i32> -> tensor<6xi8>
  %three = msq.quantize %w, %seventh, %zero {format = #msq.format<odd, 3>}
      : tensor<6xf32>, tensor<f32>, tensor<i32> -> tensor<6xi8>
  %one = msq.quantize %signs, %mean, %zero {format = #msq.format<odd, 1>}
      : tensor<5xf32>, tensor<f32>, tensor<i32> -> tensor<5xi8>
  return %two, %three, %one : tensor<6xi8>, tensor<6xi8>, tensor<5xi8>
}

// PACT with a clip of 3 at 1, 2 and 4 bits.
// CHECK-LABEL: func.func @unsigned
// CHECK-NEXT:    arith.constant dense<[0, 0, 0, 0, 1, 1, 1]> : tensor<7xi8>
// CHECK-NEXT:    arith.constant dense<[0, 0, 1, 1, 3, 3, 3]> : tensor<7xi8>
// CHECK-NEXT:    arith.constant dense<[0, 2, 4, 6, 13, 15, 15]> : tensor<7xi8>
func.func @unsigned() -> (tensor<7xi8>, tensor<7xi8>, tensor<7xi8>) {
  %zero = arith.constant dense<0> : tensor<i32>
  %x = arith.constant dense<[-0.2, 0.3, 0.74, 1.1, 2.6, 5.0, 9.0]> : tensor<7xf32>
  %s1 = arith.constant dense<3.0> : tensor<f32>
  %s2 = arith.constant dense<1.0> : tensor<f32>
  %s4 = arith.constant dense<0.2> : tensor<f32>
  %one = msq.quantize %x, %s1, %zero {format = #msq.format<unsigned, 1>}
      : tensor<7xf32>, tensor<f32>, tensor<i32> -> tensor<7xi8>
  %two = msq.quantize %x, %s2, %zero {format = #msq.format<unsigned, 2>}
      : tensor<7xf32>, tensor<f32>, tensor<i32> -> tensor<7xi8>
  %four = msq.quantize %x, %s4, %zero {format = #msq.format<unsigned, 4>}
      : tensor<7xf32>, tensor<f32>, tensor<i32> -> tensor<7xi8>
  return %one, %two, %four : tensor<7xi8>, tensor<7xi8>, tensor<7xi8>
}

// Half to even, both ends of the range, and `narrow`, which drops the lowest code.
// CHECK-LABEL: func.func @signed
// CHECK-NEXT:    arith.constant dense<[-8, -2, 0, 2, 2, 7]> : tensor<6xi8>
// CHECK-NEXT:    arith.constant dense<[-7, -2, 0, 2, 2, 7]> : tensor<6xi8>
func.func @signed() -> (tensor<6xi8>, tensor<6xi8>) {
  %zero = arith.constant dense<0> : tensor<i32>
  %scale = arith.constant dense<1.0> : tensor<f32>
  %w = arith.constant dense<[-9.0, -2.5, 0.5, 1.5, 2.5, 9.0]> : tensor<6xf32>
  %full = msq.quantize %w, %scale, %zero {format = #msq.format<signed, 4>}
      : tensor<6xf32>, tensor<f32>, tensor<i32> -> tensor<6xi8>
  %narrow = msq.quantize %w, %scale, %zero {format = #msq.format<signed, 4, narrow>}
      : tensor<6xf32>, tensor<f32>, tensor<i32> -> tensor<6xi8>
  return %full, %narrow : tensor<6xi8>, tensor<6xi8>
}

// One scale and zero point per column (axis 1): 1/.5 + 8 = 10 and -2/.5 + 8 = 4. Bytes from 128 print as negative.
// CHECK-LABEL: func.func @per_channel
// CHECK-NEXT:    arith.constant dense<{{\[\[}}1, 10], [-1, 4]]> : tensor<2x2xi8>
func.func @per_channel() -> tensor<2x2xi8> {
  %zeros = arith.constant dense<[0, 8]> : tensor<2xi32>
  %scales = arith.constant dense<[1.0, 0.5]> : tensor<2xf32>
  %x = arith.constant dense<[[1.0, 1.0], [300.0, -2.0]]> : tensor<2x2xf32>
  %codes = msq.quantize %x, %scales, %zeros {axis = 1 : i64, format = #msq.format<unsigned, 8>}
      : tensor<2x2xf32>, tensor<2xf32>, tensor<2xi32> -> tensor<2x2xi8>
  return %codes : tensor<2x2xi8>
}
