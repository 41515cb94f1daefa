// RUN: anybit-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(anybit-integerize,canonicalize))' | FileCheck %s

// x * x between two quantizers, as two ops, is a table over the codes (numerics N5): codes 0, 1, 2, … mean -2, -1, 0, …,
// so the squares are 4, 1, 0, 1, 4, 9, and 16, which 4 bits clamp to 15.
// CHECK-LABEL: func.func @square
// CHECK-SAME:    (%[[Q:.+]]: tensor<1x8xi8>)
// CHECK-DAG:     %[[TABLE:.+]] = arith.constant dense<"0x0401000104090F0F{{[0F]+}}"> : tensor<256xi8>
// CHECK:         %[[Y:.+]] = linalg.generic {{.+}} ins(%[[Q]] : tensor<1x8xi8>)
// CHECK-NEXT:    ^bb0(%[[CODE:.+]]: i8, %{{.+}}: i8):
// CHECK-NEXT:      %[[AT:.+]] = arith.index_castui %[[CODE]] : i8 to index
// CHECK-NEXT:      %[[NEXT:.+]] = tensor.extract %[[TABLE]][%[[AT]]] : tensor<256xi8>
// CHECK-NEXT:      linalg.yield %[[NEXT]] : i8
// CHECK:         return %[[Y]]
#id = affine_map<(i, j) -> (i, j)>
func.func @square(%q: tensor<1x8xi8>) -> tensor<1x8xi8> {
  %one = arith.constant dense<1.0> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %two = arith.constant dense<2> : tensor<i32>
  %x = msq.dequantize %q, %one, %two {format = #msq.format<unsigned, 8>}
      : tensor<1x8xi8>, tensor<f32>, tensor<i32> -> tensor<1x8xf32>
  %empty = tensor.empty() : tensor<1x8xf32>
  %abs = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<1x8xf32>) outs(%empty : tensor<1x8xf32>) {
  ^bb0(%a: f32, %out: f32):
    %p = math.absf %a : f32
    linalg.yield %p : f32
  } -> tensor<1x8xf32>
  %square = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%abs, %abs : tensor<1x8xf32>, tensor<1x8xf32>) outs(%empty : tensor<1x8xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %p = arith.mulf %a, %b : f32
    linalg.yield %p : f32
  } -> tensor<1x8xf32>
  %y = msq.quantize %square, %one, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x8xf32>, tensor<f32>, tensor<i32> -> tensor<1x8xi8>
  return %y : tensor<1x8xi8>
}

// -----

// Two tensors are not one code.
// CHECK-LABEL: func.func @no_table
// CHECK:         arith.mulf
// CHECK-NOT:     tensor.extract
// CHECK:         return
#id = affine_map<(i, j) -> (i, j)>
func.func @no_table(%q: tensor<1x8xi8>, %r: tensor<1x8xi8>) -> tensor<1x8xi8> {
  %one = arith.constant dense<1.0> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %x = msq.dequantize %q, %one, %zero {format = #msq.format<unsigned, 8>}
      : tensor<1x8xi8>, tensor<f32>, tensor<i32> -> tensor<1x8xf32>
  %z = msq.dequantize %r, %one, %zero {format = #msq.format<unsigned, 8>}
      : tensor<1x8xi8>, tensor<f32>, tensor<i32> -> tensor<1x8xf32>
  %empty = tensor.empty() : tensor<1x8xf32>
  %product = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %z : tensor<1x8xf32>, tensor<1x8xf32>) outs(%empty : tensor<1x8xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %p = arith.mulf %a, %b : f32
    linalg.yield %p : f32
  } -> tensor<1x8xf32>
  %a = msq.quantize %product, %one, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x8xf32>, tensor<f32>, tensor<i32> -> tensor<1x8xi8>
  return %a : tensor<1x8xi8>
}

// -----

// The average of whole channels is the exact sum times one factor (numerics N6), here .5 / (16 * .25) = .125; the zero
// point counts 16 times.
// CHECK-LABEL: func.func @global_average
// CHECK-SAME:    (%[[Q:.+]]: tensor<1x8x4x4xi8>)
// CHECK-DAG:     %[[ZEROS:.+]] = arith.constant 48 : i32
// CHECK-DAG:     %[[FACTOR:.+]] = arith.constant 1.250000e-01 : f32
// CHECK:         %[[TOTAL:.+]] = msq.pool %[[Q]] {{.+}} kernel = array<i64: 4, 4>, kind = #msq.pool<total>{{.+}} -> tensor<1x8x1x1xi32>
// CHECK:         %[[SUMS:.+]] = tensor.collapse_shape %[[TOTAL]] {{.+}} into tensor<1x8xi32>
// CHECK:         linalg.generic {{.+}} ins(%[[SUMS]] : tensor<1x8xi32>) outs(%{{.+}} : tensor<1x8xi8>)
// CHECK-NEXT:    ^bb0(%[[SUM:.+]]: i32, %{{.+}}: i8):
// CHECK-NEXT:      %[[EXACT:.+]] = arith.subi %[[SUM]], %[[ZEROS]] : i32
// CHECK-NEXT:      %[[REAL:.+]] = arith.sitofp %[[EXACT]] : i32 to f32
// CHECK-NEXT:      %[[SCALED:.+]] = arith.mulf %[[REAL]], %[[FACTOR]] : f32
// CHECK-NEXT:      lowbit.round %[[SCALED]] {high = 255 : i32, low = 0 : i32, zero = 128 : i32} : f32
// CHECK:         tensor.expand_shape {{.+}} : tensor<1x8xi8> into tensor<1x8x1x1xi8>
func.func @global_average(%q: tensor<1x8x4x4xi8>) -> tensor<1x8x1x1xi8> {
  %sx = arith.constant dense<0.5> : tensor<f32>
  %zx = arith.constant dense<3> : tensor<i32>
  %sy = arith.constant dense<0.25> : tensor<f32>
  %zy = arith.constant dense<128> : tensor<i32>
  %x = msq.dequantize %q, %sx, %zx {format = #msq.format<unsigned, 4>}
      : tensor<1x8x4x4xi8>, tensor<f32>, tensor<i32> -> tensor<1x8x4x4xf32>
  %average = msq.pool %x {kind = #msq.pool<average>, kernel = array<i64: 4, 4>, strides = array<i64: 1, 1>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x8x4x4xf32> -> tensor<1x8x1x1xf32>
  %y = msq.quantize %average, %sy, %zy {format = #msq.format<unsigned, 8>}
      : tensor<1x8x1x1xf32>, tensor<f32>, tensor<i32> -> tensor<1x8x1x1xi8>
  return %y : tensor<1x8x1x1xi8>
}

// -----

// Without a quantizer the sum is a convolution with weights of one, and the factor s / count = .5 / 4 a product of reals.
// CHECK-LABEL: func.func @global_average_real
// CHECK-DAG:     %[[ONES:.+]] = arith.constant dense<1> : tensor<8x1x4xi8>
// CHECK-DAG:     %[[FACTOR:.+]] = arith.constant 1.250000e-01 : f32
// CHECK:         lowbit.conv %{{.+}}, %[[ONES]] params()
// CHECK:         arith.mulf %{{.+}}, %[[FACTOR]] : f32
func.func @global_average_real(%q: tensor<1x8x4xi8>) -> tensor<1x8x1xf32> {
  %sx = arith.constant dense<0.5> : tensor<f32>
  %zx = arith.constant dense<0> : tensor<i32>
  %x = msq.dequantize %q, %sx, %zx {format = #msq.format<unsigned, 4>}
      : tensor<1x8x4xi8>, tensor<f32>, tensor<i32> -> tensor<1x8x4xf32>
  %y = msq.pool %x {kind = #msq.pool<average>, kernel = array<i64: 4>, strides = array<i64: 1>,
      pads = array<i64: 0, 0>, dilations = array<i64: 1>} : tensor<1x8x4xf32> -> tensor<1x8x1xf32>
  return %y : tensor<1x8x1xf32>
}

// -----

// Windows smaller than the input are the same convolution with their stride, one group per channel.
// CHECK-LABEL: func.func @average_of_windows
// CHECK:         lowbit.conv {{.+}} groups = 8 : i64, {{.+}} kernel = array<i64: 2, 2>, {{.+}} strides = array<i64: 2, 2>
// CHECK-NOT:     msq.pool
// CHECK:         return
func.func @average_of_windows(%q: tensor<1x8x4x4xi8>) -> tensor<1x8x2x2xf32> {
  %sx = arith.constant dense<0.5> : tensor<f32>
  %zx = arith.constant dense<0> : tensor<i32>
  %x = msq.dequantize %q, %sx, %zx {format = #msq.format<unsigned, 4>}
      : tensor<1x8x4x4xi8>, tensor<f32>, tensor<i32> -> tensor<1x8x4x4xf32>
  %y = msq.pool %x {kind = #msq.pool<average>, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x8x4x4xf32> -> tensor<1x8x2x2xf32>
  return %y : tensor<1x8x2x2xf32>
}
