// RUN: anybit-opt %s --canonicalize | FileCheck %s

// A row of a constant table is a constant.
// CHECK-LABEL: func.func @select_row
// CHECK-NEXT: %[[ROW:.+]] = arith.constant dense<[3.000000e+00, 4.000000e+00]> : tensor<2xf32>
// CHECK-NEXT: return %[[ROW]]
func.func @select_row() -> tensor<2xf32> {
  %candidate = arith.constant dense<1> : tensor<i64>
  %table = arith.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>
  %row = msq.select %candidate, %table : tensor<3x2xf32> -> tensor<2xf32>
  return %row : tensor<2xf32>
}

// The rows of scalars are scalars (rank 0).
// CHECK-LABEL: func.func @select_scalar
// CHECK-NEXT: %[[ROW:.+]] = arith.constant dense<4> : tensor<i64>
// CHECK-NEXT: return %[[ROW]]
func.func @select_scalar() -> tensor<i64> {
  %candidate = arith.constant dense<1> : tensor<i64>
  %table = arith.constant dense<[8, 4]> : tensor<2xi64>
  %row = msq.select %candidate, %table : tensor<2xi64> -> tensor<i64>
  return %row : tensor<i64>
}

// CHECK-LABEL: func.func @select_splat
// CHECK-NEXT: %[[ROW:.+]] = arith.constant dense<7.000000e+00> : tensor<2xf32>
// CHECK-NEXT: return %[[ROW]]
func.func @select_splat() -> tensor<2xf32> {
  %candidate = arith.constant dense<2> : tensor<i64>
  %table = arith.constant dense<7.0> : tensor<3x2xf32>
  %row = msq.select %candidate, %table : tensor<3x2xf32> -> tensor<2xf32>
  return %row : tensor<2xf32>
}

// An index outside of the table stays for the pass that reports it; negative ones never count from the end.
// CHECK-LABEL: func.func @select_outside
// CHECK-COUNT-2: msq.select
func.func @select_outside() -> (tensor<2xf32>, tensor<2xf32>) {
  %three = arith.constant dense<3> : tensor<i64>
  %minus = arith.constant dense<-1> : tensor<i64>
  %table = arith.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>
  %a = msq.select %three, %table : tensor<3x2xf32> -> tensor<2xf32>
  %b = msq.select %minus, %table : tensor<3x2xf32> -> tensor<2xf32>
  return %a, %b : tensor<2xf32>, tensor<2xf32>
}

// A candidate that is not known yet keeps its choice.
// CHECK-LABEL: func.func @select_late
// CHECK: msq.select
func.func @select_late(%candidate: tensor<i64>) -> tensor<2xf32> {
  %table = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %row = msq.select %candidate, %table : tensor<2x2xf32> -> tensor<2xf32>
  return %row : tensor<2xf32>
}

// Factors of one change nothing (numerics N3).
// CHECK-LABEL: func.func @mix_identity
// CHECK-SAME: (%[[WEIGHTS:.+]]: tensor<4x4x3x3xf32>)
// CHECK-NEXT: return %[[WEIGHTS]]
func.func @mix_identity(%weights: tensor<4x4x3x3xf32>) -> tensor<4x4x3x3xf32> {
  %ones = arith.constant dense<1.0> : tensor<4xf32>
  %mixed = msq.mix_bands %weights, %ones {layout = #msq.layout<tile>, wavelet = #msq.wavelet<haar>}
      : tensor<4x4x3x3xf32>
  return %mixed : tensor<4x4x3x3xf32>
}

// One factor that is not 1 is enough to stay.
// CHECK-LABEL: func.func @mix_stays
// CHECK: msq.mix_bands
func.func @mix_stays(%weights: tensor<4x4x3x3xf32>) -> tensor<4x4x3x3xf32> {
  %alpha = arith.constant dense<[1.0, 1.0, 1.0, 0.5]> : tensor<4xf32>
  %mixed = msq.mix_bands %weights, %alpha {layout = #msq.layout<tile>, wavelet = #msq.wavelet<haar>}
      : tensor<4x4x3x3xf32>
  return %mixed : tensor<4x4x3x3xf32>
}

// All ops are pure: what nobody uses disappears.
// CHECK-LABEL: func.func @unused
// CHECK-NEXT: return
func.func @unused(%x: tensor<1x4x8x8xf32>, %w: tensor<4x4x1x1xf32>, %s: tensor<f32>, %z: tensor<i32>) {
  %conv = msq.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
      : tensor<1x4x8x8xf32>, tensor<4x4x1x1xf32> -> tensor<1x4x8x8xf32>
  %codes = msq.quantize %conv, %s, %z {format = #msq.format<odd, 2>}
      : tensor<1x4x8x8xf32>, tensor<f32>, tensor<i32> -> tensor<1x4x8x8xi8>
  return
}
