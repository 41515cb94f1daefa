// RUN: anybit-opt %s | anybit-opt | FileCheck %s
// RUN: anybit-opt %s --mlir-print-op-generic | anybit-opt | FileCheck %s
// RUN: anybit-opt %s --emit-bytecode | anybit-opt | FileCheck %s

// Every op and attribute survives text, generic text and bytecode.

// CHECK-LABEL: func.func @select
// CHECK: msq.select %{{.+}}, %{{.+}} : tensor<3x64xf32> -> tensor<64xf32>
func.func @select(%candidate: tensor<i64>, %table: tensor<3x64xf32>) -> tensor<64xf32> {
  %row = msq.select %candidate, %table : tensor<3x64xf32> -> tensor<64xf32>
  return %row : tensor<64xf32>
}

// CHECK-LABEL: func.func @mix_bands
// CHECK: msq.mix_bands %{{.+}}, %{{.+}} {groups = 2 : i64, layout = #msq.layout<tile>, wavelet = #msq.wavelet<haar>} : tensor<16x8x3x3xf32>
// CHECK: msq.mix_bands {{.+}} {layout = #msq.layout<spatial>, wavelet = #msq.wavelet<db2>}
// CHECK: msq.mix_bands {{.+}} {layout = #msq.layout<matrix>, wavelet = #msq.wavelet<haar>}
// CHECK: msq.mix_bands {{.+}} {layout = #msq.layout<plane>, wavelet = #msq.wavelet<haar>}
// CHECK: msq.mix_bands {{.+}} {layout = #msq.layout<none>, wavelet = #msq.wavelet<haar>}
func.func @mix_bands(%w: tensor<16x8x3x3xf32>, %alpha: tensor<4xf32>) -> tensor<16x8x3x3xf32> {
  %tile = msq.mix_bands %w, %alpha {groups = 2 : i64, layout = #msq.layout<tile>, wavelet = #msq.wavelet<haar>}
      : tensor<16x8x3x3xf32>
  %spatial = msq.mix_bands %tile, %alpha {layout = #msq.layout<spatial>, wavelet = #msq.wavelet<db2>}
      : tensor<16x8x3x3xf32>
  %matrix = msq.mix_bands %spatial, %alpha {layout = #msq.layout<matrix>, wavelet = #msq.wavelet<haar>}
      : tensor<16x8x3x3xf32>
  %plane = msq.mix_bands %matrix, %alpha {layout = #msq.layout<plane>, wavelet = #msq.wavelet<haar>}
      : tensor<16x8x3x3xf32>
  %none = msq.mix_bands %plane, %alpha {layout = #msq.layout<none>, wavelet = #msq.wavelet<haar>}
      : tensor<16x8x3x3xf32>
  return %none : tensor<16x8x3x3xf32>
}

// CHECK-LABEL: func.func @quantizers
// CHECK: msq.quantize %{{.+}}, %{{.+}}, %{{.+}} {format = #msq.format<unsigned, 4>} : tensor<1x16x8x8xf32>, tensor<f32>, tensor<i32> -> tensor<1x16x8x8xi8>
// CHECK: msq.dequantize %{{.+}}, %{{.+}}, %{{.+}} bits %{{.+}} {format = #msq.format<unsigned, 8>} : tensor<1x16x8x8xi8>, tensor<f32>, tensor<i32> -> tensor<1x16x8x8xf32>
// CHECK: msq.quantize {{.+}} {axis = 1 : i64, format = #msq.format<signed, 8, narrow>} : tensor<1x16x8x8xf32>, tensor<16xf32>, tensor<16xi32>
// CHECK: msq.dequantize {{.+}} {axis = 1 : i64, format = #msq.format<odd, 1>}
func.func @quantizers(%x: tensor<1x16x8x8xf32>, %scale: tensor<f32>, %zero: tensor<i32>, %bits: tensor<i64>,
                      %scales: tensor<16xf32>, %zeros: tensor<16xi32>) -> tensor<1x16x8x8xf32> {
  %codes = msq.quantize %x, %scale, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x16x8x8xf32>, tensor<f32>, tensor<i32> -> tensor<1x16x8x8xi8>
  %y = msq.dequantize %codes, %scale, %zero bits %bits {format = #msq.format<unsigned, 8>}
      : tensor<1x16x8x8xi8>, tensor<f32>, tensor<i32> -> tensor<1x16x8x8xf32>
  %narrow = msq.quantize %y, %scales, %zeros {axis = 1 : i64, format = #msq.format<signed, 8, narrow>}
      : tensor<1x16x8x8xf32>, tensor<16xf32>, tensor<16xi32> -> tensor<1x16x8x8xi8>
  %odd = msq.dequantize %narrow, %scales, %zero {axis = 1 : i64, format = #msq.format<odd, 1>}
      : tensor<1x16x8x8xi8>, tensor<16xf32>, tensor<i32> -> tensor<1x16x8x8xf32>
  return %odd : tensor<1x16x8x8xf32>
}

// A window that does not divide: 32 rows, stride 2, one pad at the end.
// CHECK-LABEL: func.func @conv
// CHECK: msq.conv %{{.+}}, %{{.+}} {dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 1, 1>, strides = array<i64: 2, 2>} : tensor<1x3x32x32xf32>, tensor<16x3x3x3xf32> -> tensor<1x16x16x16xf32>
func.func @conv(%x: tensor<1x3x32x32xf32>, %w: tensor<16x3x3x3xf32>) -> tensor<1x16x16x16xf32> {
  %y = msq.conv %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 1, 1>, dilations = array<i64: 1, 1>}
      : tensor<1x3x32x32xf32>, tensor<16x3x3x3xf32> -> tensor<1x16x16x16xf32>
  return %y : tensor<1x16x16x16xf32>
}

// CHECK-LABEL: func.func @depthwise_1d
// CHECK: msq.conv {{.+}} {dilations = array<i64: 2>, groups = 6 : i64, pads = array<i64: 2, 2>, strides = array<i64: 1>} : tensor<1x6x20xf32>, tensor<6x1x3xf32> -> tensor<1x6x20xf32>
func.func @depthwise_1d(%x: tensor<1x6x20xf32>, %w: tensor<6x1x3xf32>) -> tensor<1x6x20xf32> {
  %y = msq.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 2, 2>, dilations = array<i64: 2>, groups = 6 : i64}
      : tensor<1x6x20xf32>, tensor<6x1x3xf32> -> tensor<1x6x20xf32>
  return %y : tensor<1x6x20xf32>
}

// CHECK-LABEL: func.func @batch_norm
// CHECK: msq.batch_norm {{.+}} {epsilon = 1.000000e-05 : f64} : tensor<1x16x8x8xf32>, tensor<16xf32>
func.func @batch_norm(%x: tensor<1x16x8x8xf32>, %p: tensor<16xf32>) -> tensor<1x16x8x8xf32> {
  %y = msq.batch_norm %x, %p, %p, %p, %p {epsilon = 1.0e-5 : f64} : tensor<1x16x8x8xf32>, tensor<16xf32>
  return %y : tensor<1x16x8x8xf32>
}

// CHECK-LABEL: func.func @pool
// CHECK: msq.pool %{{.+}} {dilations = array<i64: 1, 1>, kernel = array<i64: 3, 3>, kind = #msq.pool<max>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 2, 2>} : tensor<1x4x11x11xi8> -> tensor<1x4x6x6xi8>
// CHECK: msq.pool %{{.+}} {count_include_pad, dilations = array<i64: 1, 1>, kernel = array<i64: 2, 2>, kind = #msq.pool<average>
func.func @pool(%codes: tensor<1x4x11x11xi8>, %x: tensor<1x4x8x8xf32>) -> tensor<1x4x6x6xi8> {
  %max = msq.pool %codes {kind = #msq.pool<max>, kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
      pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x4x11x11xi8> -> tensor<1x4x6x6xi8>
  %average = msq.pool %x {count_include_pad, kind = #msq.pool<average>, kernel = array<i64: 2, 2>,
      strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
      : tensor<1x4x8x8xf32> -> tensor<1x4x4x4xf32>
  return %max : tensor<1x4x6x6xi8>
}

// CHECK-LABEL: func.func @resize
// CHECK: msq.resize %{{.+}} {coordinates = "align_corners", mode = "linear", nearest = "floor", scales = array<f64: 1.000000e+00, 1.000000e+00, 2.000000e+00, 2.000000e+00>} : tensor<1x8x9x9xf32> -> tensor<1x8x18x18xf32>
func.func @resize(%x: tensor<1x8x9x9xf32>) -> tensor<1x8x18x18xf32> {
  %y = msq.resize %x {mode = "linear", coordinates = "align_corners", nearest = "floor",
      scales = array<f64: 1.0, 1.0, 2.0, 2.0>} : tensor<1x8x9x9xf32> -> tensor<1x8x18x18xf32>
  return %y : tensor<1x8x18x18xf32>
}
