// RUN: anybit-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(anybit-lower-msq))' | FileCheck %s

// A real convolution has a float32 accumulator and passes it on.
// CHECK-LABEL: func.func @conv
// CHECK-SAME:    (%[[X:.+]]: tensor<1x2x8x8xf32>)
// CHECK:         %[[W:.+]] = arith.constant dense<5.000000e-01> : tensor<4x1x3x3xf32>
// CHECK:         lowbit.conv %[[X]], %[[W]] params()
// CHECK-SAME:      dilations = array<i64: 2, 1>, groups = 2 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 0, 2, 1>, strides = array<i64: 1, 2>
// CHECK-NEXT:    ^bb0(%[[ACC:.+]]: f32):
// CHECK-NEXT:      lowbit.yield %[[ACC]] : f32
func.func @conv(%x: tensor<1x2x8x8xf32>) -> tensor<1x4x7x4xf32> {
  %w = arith.constant dense<0.5> : tensor<4x1x3x3xf32>
  %y = msq.conv %x, %w {strides = array<i64: 1, 2>, pads = array<i64: 1, 0, 2, 1>, dilations = array<i64: 2, 1>,
      groups = 2 : i64} : tensor<1x2x8x8xf32>, tensor<4x1x3x3xf32> -> tensor<1x4x7x4xf32>
  return %y : tensor<1x4x7x4xf32>
}

// -----

// Constant codes become constant reals, never a computation: odd 2 bits is 2q - 3, here times .5 and .25.
// CHECK-LABEL: func.func @conv_of_codes
// CHECK:         %[[W:.+]] = arith.constant dense<{{\[\[\[}}-1.500000e+00], [-5.000000e-01]], {{\[\[}}2.500000e-01], [7.500000e-01]]]> : tensor<2x2x1xf32>
// CHECK-NOT:     linalg.generic
// CHECK:         lowbit.conv %{{.+}}, %[[W]]
func.func @conv_of_codes(%x: tensor<1x2x8xf32>) -> tensor<1x2x8xf32> {
  %codes = arith.constant dense<[[[0], [1]], [[2], [3]]]> : tensor<2x2x1xi8>
  %scale = arith.constant dense<[0.5, 0.25]> : tensor<2xf32>
  %zero = arith.constant dense<0> : tensor<i32>
  %w = msq.dequantize %codes, %scale, %zero {format = #msq.format<odd, 2>}
      : tensor<2x2x1xi8>, tensor<2xf32>, tensor<i32> -> tensor<2x2x1xf32>
  %y = msq.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>}
      : tensor<1x2x8xf32>, tensor<2x2x1xf32> -> tensor<1x2x8xf32>
  return %y : tensor<1x2x8xf32>
}

// -----

// Numerics N2: a true division, NaN as zero, then rounding with the zero point behind it.
// CHECK-LABEL: func.func @quantize_unsigned
// CHECK-SAME:    (%[[X:.+]]: tensor<1x4xf32>, %[[S:.+]]: tensor<f32>)
// CHECK:         linalg.generic {{.+}} ins(%[[X]], %[[S]] : tensor<1x4xf32>, tensor<f32>)
// CHECK-NEXT:    ^bb0(%[[A:.+]]: f32, %[[SCALE:.+]]: f32, %{{.+}}: i8):
// CHECK-NEXT:      %[[Q:.+]] = arith.divf %[[A]], %[[SCALE]] : f32
// CHECK-NEXT:      %[[NUMBER:.+]] = arith.cmpf ord, %[[Q]], %[[Q]] : f32
// CHECK-NEXT:      %[[NOTHING:.+]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:      %[[SAFE:.+]] = arith.select %[[NUMBER]], %[[Q]], %[[NOTHING]] : f32
// CHECK-NEXT:      lowbit.round %[[SAFE]] {high = 15 : i32, low = 0 : i32, zero = 3 : i32} : f32
func.func @quantize_unsigned(%x: tensor<1x4xf32>, %scale: tensor<f32>) -> tensor<1x4xi8> {
  %zero = arith.constant dense<3> : tensor<i32>
  %y = msq.quantize %x, %scale, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x4xf32>, tensor<f32>, tensor<i32> -> tensor<1x4xi8>
  return %y : tensor<1x4xi8>
}

// -----

// Scales along an axis; `narrow` drops the lowest code.
// CHECK-LABEL: func.func @quantize_signed
// CHECK:         linalg.generic
// CHECK:         arith.divf
// CHECK:         lowbit.round %{{.+}} {high = 7 : i32, low = -7 : i32, zero = 0 : i32} : f32
func.func @quantize_signed(%x: tensor<1x4xf32>, %scale: tensor<4xf32>) -> tensor<1x4xi8> {
  %zero = arith.constant dense<0> : tensor<i32>
  %y = msq.quantize %x, %scale, %zero {axis = 1 : i64, format = #msq.format<signed, 4, narrow>}
      : tensor<1x4xf32>, tensor<4xf32>, tensor<i32> -> tensor<1x4xi8>
  return %y : tensor<1x4xi8>
}

// -----

// The odd format halves and floors, which rounding then leaves as it is.
// CHECK-LABEL: func.func @quantize_odd
// CHECK:         arith.divf
// CHECK:         %[[Q:.+]] = arith.select
// CHECK-NEXT:    %[[HALF:.+]] = arith.constant 5.000000e-01 : f32
// CHECK-NEXT:    %[[HALVED:.+]] = arith.mulf %[[Q]], %[[HALF]] : f32
// CHECK-NEXT:    %[[FLOOR:.+]] = math.floor %[[HALVED]] : f32
// CHECK-NEXT:    lowbit.round %[[FLOOR]] {high = 3 : i32, low = 0 : i32, zero = 2 : i32} : f32
func.func @quantize_odd(%x: tensor<1x4xf32>, %scale: tensor<f32>) -> tensor<1x4xi8> {
  %zero = arith.constant dense<0> : tensor<i32>
  %y = msq.quantize %x, %scale, %zero {format = #msq.format<odd, 2>}
      : tensor<1x4xf32>, tensor<f32>, tensor<i32> -> tensor<1x4xi8>
  return %y : tensor<1x4xi8>
}

// -----

// Decoding is exact in integers; one multiplication follows.
// CHECK-LABEL: func.func @dequantize
// CHECK:         linalg.generic
// CHECK-NEXT:    ^bb0(%[[Q:.+]]: i8, %[[S:.+]]: f32, %{{.+}}: f32):
// CHECK-NEXT:      %[[WIDE:.+]] = arith.extui %[[Q]] : i8 to i32
// CHECK:           %[[ZERO:.+]] = arith.constant 130 : i32
// CHECK:           %[[EXACT:.+]] = arith.subi %[[WIDE]], %[[ZERO]] : i32
// CHECK-NEXT:      %[[REAL:.+]] = arith.sitofp %[[EXACT]] : i32 to f32
// CHECK-NEXT:      arith.mulf %[[REAL]], %[[S]] : f32
// CHECK:         linalg.generic
// CHECK:           %[[SIGNED:.+]] = arith.extsi %{{.+}} : i8 to i32
// CHECK:           arith.sitofp
// CHECK:         linalg.generic
// CHECK:           %[[CODE:.+]] = arith.extui %{{.+}} : i8 to i32
// CHECK:           %[[LEVELS:.+]] = arith.constant 3 : i32
// CHECK:           %[[TWICE:.+]] = arith.addi %[[CODE]], %[[CODE]] : i32
// CHECK:           arith.subi %[[TWICE]], %[[LEVELS]] : i32
func.func @dequantize(%q: tensor<1x4xi8>, %scale: tensor<f32>) -> (tensor<1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>) {
  %zero = arith.constant dense<0> : tensor<i32>
  %middle = arith.constant dense<130> : tensor<i32>
  %a = msq.dequantize %q, %scale, %middle {format = #msq.format<unsigned, 8>}
      : tensor<1x4xi8>, tensor<f32>, tensor<i32> -> tensor<1x4xf32>
  %b = msq.dequantize %q, %scale, %zero {format = #msq.format<signed, 8>}
      : tensor<1x4xi8>, tensor<f32>, tensor<i32> -> tensor<1x4xf32>
  %c = msq.dequantize %q, %scale, %zero {format = #msq.format<odd, 2>}
      : tensor<1x4xi8>, tensor<f32>, tensor<i32> -> tensor<1x4xf32>
  return %a, %b, %c : tensor<1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>
}

// -----

// Numerics N7: g = 6 / sqrt(3 + 1) = 3 and beta - mean * g = 1 - 2 * 3.
// CHECK-LABEL: func.func @batch_norm
// CHECK-DAG:     %[[G:.+]] = arith.constant dense<3.000000e+00> : tensor<2xf32>
// CHECK-DAG:     %[[H:.+]] = arith.constant dense<-5.000000e+00> : tensor<2xf32>
// CHECK:         linalg.generic {{.+}} ins(%{{.+}}, %[[G]], %[[H]] : tensor<1x2x8xf32>, tensor<2xf32>, tensor<2xf32>)
// CHECK-NEXT:    ^bb0(%[[X:.+]]: f32, %[[G0:.+]]: f32, %[[H0:.+]]: f32, %{{.+}}: f32):
// CHECK-NEXT:      %[[SCALED:.+]] = arith.mulf %[[X]], %[[G0]] : f32
// CHECK-NEXT:      arith.addf %[[SCALED]], %[[H0]] : f32
func.func @batch_norm(%x: tensor<1x2x8xf32>) -> tensor<1x2x8xf32> {
  %gamma = arith.constant dense<6.0> : tensor<2xf32>
  %beta = arith.constant dense<1.0> : tensor<2xf32>
  %mean = arith.constant dense<2.0> : tensor<2xf32>
  %variance = arith.constant dense<3.0> : tensor<2xf32>
  %y = msq.batch_norm %x, %gamma, %beta, %mean, %variance {epsilon = 1.0 : f64} : tensor<1x2x8xf32>, tensor<2xf32>
  return %y : tensor<1x2x8xf32>
}

// -----

// Statistics that a caller gives are not folded; nothing lowers them, and the plan reports the op.
// CHECK-LABEL: func.func @batch_norm_late
// CHECK:         msq.batch_norm
func.func @batch_norm_late(%x: tensor<1x2x8xf32>, %p: tensor<2xf32>) -> tensor<1x2x8xf32> {
  %y = msq.batch_norm %x, %p, %p, %p, %p {epsilon = 1.0 : f64} : tensor<1x2x8xf32>, tensor<2xf32>
  return %y : tensor<1x2x8xf32>
}

// -----

// Pools have kernels of their own.
// CHECK-LABEL: func.func @pool
// CHECK:         msq.pool
func.func @pool(%x: tensor<1x2x8xf32>) -> tensor<1x2x4xf32> {
  %y = msq.pool %x {kind = #msq.pool<average>, kernel = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>} : tensor<1x2x8xf32> -> tensor<1x2x4xf32>
  return %y : tensor<1x2x4xf32>
}

// -----

// Nearest resampling is a gather of one position per resampled dimension; codes stay codes.
// CHECK-LABEL: func.func @nearest
// CHECK-SAME:    (%[[X:.+]]: tensor<1x2x2xi8>)
// CHECK:         %[[TABLE:.+]] = arith.constant dense<[0, 0, 1, 1]> : tensor<4xi32>
// CHECK:         linalg.generic {{.+}} outs(%{{.+}} : tensor<1x2x4xi8>)
// CHECK:           %[[C:.+]] = linalg.index 1 : index
// CHECK:           %[[I:.+]] = linalg.index 2 : index
// CHECK:           %[[AT:.+]] = tensor.extract %[[TABLE]][%[[I]]] : tensor<4xi32>
// CHECK-NEXT:      %[[FROM:.+]] = arith.index_cast %[[AT]] : i32 to index
// CHECK-NEXT:      tensor.extract %[[X]][%{{.+}}, %[[C]], %[[FROM]]] : tensor<1x2x2xi8>
func.func @nearest(%x: tensor<1x2x2xi8>) -> tensor<1x2x4xi8> {
  %y = msq.resize %x {mode = "nearest", coordinates = "asymmetric", nearest = "floor",
      scales = array<f64: 1.0, 1.0, 2.0>} : tensor<1x2x2xi8> -> tensor<1x2x4xi8>
  return %y : tensor<1x2x4xi8>
}

// -----

// Linear resampling reads two positions; with aligned corners of 2 positions, 4 outputs lie at 0, 1/3, 2/3 and 1.
// CHECK-LABEL: func.func @linear
// CHECK-DAG:     arith.constant dense<[0, 0, 0, 1]> : tensor<4xi32>
// CHECK-DAG:     %[[WEIGHTS:.+]] = arith.constant dense<[0.000000e+00, 0.333333343, 0.666666686, 0.000000e+00]> : tensor<4xf32>
// CHECK:         %[[WEIGHT:.+]] = tensor.extract %[[WEIGHTS]]
// CHECK:         %[[ONE:.+]] = arith.constant 1.000000e+00 : f32
// CHECK:         %[[REST:.+]] = arith.subf %[[ONE]], %[[WEIGHT]] : f32
// CHECK-NEXT:    %[[LEFT:.+]] = arith.mulf %{{.+}}, %[[REST]] : f32
// CHECK-NEXT:    %[[RIGHT:.+]] = arith.mulf %{{.+}}, %[[WEIGHT]] : f32
// CHECK-NEXT:    arith.addf %[[LEFT]], %[[RIGHT]] : f32
func.func @linear(%x: tensor<1x2x2xf32>) -> tensor<1x2x4xf32> {
  %y = msq.resize %x {mode = "linear", coordinates = "align_corners", nearest = "floor",
      scales = array<f64: 1.0, 1.0, 2.0>} : tensor<1x2x2xf32> -> tensor<1x2x4xf32>
  return %y : tensor<1x2x4xf32>
}

// -----

// Half-pixel centres round to the nearest position; ties go down or up as the file says: 3 of 5 positions lie at 1/3,
// 2 and 11/3, and 2 of 4 at the ties .5 and 2.5.
// CHECK-LABEL: func.func @rounding
// CHECK:         arith.constant dense<[0, 2, 4]> : tensor<3xi32>
// CHECK:         arith.constant dense<[0, 2]> : tensor<2xi32>
// CHECK:         arith.constant dense<[1, 3]> : tensor<2xi32>
func.func @rounding(%x: tensor<1x1x5xf32>, %z: tensor<1x1x4xf32>)
    -> (tensor<1x1x3xf32>, tensor<1x1x2xf32>, tensor<1x1x2xf32>) {
  %a = msq.resize %x {mode = "nearest", coordinates = "half_pixel", nearest = "round_prefer_floor",
      scales = array<f64: 1.0, 1.0, 0.6>} : tensor<1x1x5xf32> -> tensor<1x1x3xf32>
  %b = msq.resize %z {mode = "nearest", coordinates = "half_pixel", nearest = "round_prefer_floor",
      scales = array<f64: 1.0, 1.0, 0.5>} : tensor<1x1x4xf32> -> tensor<1x1x2xf32>
  %c = msq.resize %z {mode = "nearest", coordinates = "half_pixel", nearest = "round_prefer_ceil",
      scales = array<f64: 1.0, 1.0, 0.5>} : tensor<1x1x4xf32> -> tensor<1x1x2xf32>
  return %a, %b, %c : tensor<1x1x3xf32>, tensor<1x1x2xf32>, tensor<1x1x2xf32>
}

// -----

// Zero points along an axis are read like the scales: the sum of whole floats is exact, and clamped behind it.
// CHECK-LABEL: func.func @quantize_per_axis
// CHECK-SAME:    (%[[X:.+]]: tensor<1x2x4xf32>, %[[S:.+]]: tensor<2xf32>, %[[Z:.+]]: tensor<2xi32>)
// CHECK:         linalg.generic {{.+}} ins(%[[X]], %[[S]], %[[Z]] : tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xi32>)
// CHECK-NEXT:    ^bb0(%[[A:.+]]: f32, %[[SCALE:.+]]: f32, %[[ZERO:.+]]: i32, %{{.+}}: i8):
// CHECK:           %[[ROUNDED:.+]] = math.roundeven %{{.+}} : f32
// CHECK-NEXT:      %[[WHOLE:.+]] = arith.sitofp %[[ZERO]] : i32 to f32
// CHECK-NEXT:      %[[MOVED:.+]] = arith.addf %[[ROUNDED]], %[[WHOLE]] : f32
// CHECK:           arith.maximumf %[[MOVED]]
// CHECK:           arith.minimumf
// CHECK-NEXT:      %[[CODE:.+]] = arith.fptosi %{{.+}} : f32 to i32
// CHECK-NEXT:      %[[BYTE:.+]] = arith.trunci %[[CODE]] : i32 to i8
// CHECK-NEXT:      linalg.yield %[[BYTE]] : i8
// CHECK:         linalg.generic {{.+}} ins(%{{.+}}, %[[S]], %[[Z]] : tensor<1x2x4xi8>, tensor<2xf32>, tensor<2xi32>)
// CHECK:           %[[WIDE:.+]] = arith.extui %{{.+}} : i8 to i32
// CHECK-NEXT:      %[[INTEGER:.+]] = arith.subi %[[WIDE]], %{{.+}} : i32
// CHECK-NEXT:      %[[REAL:.+]] = arith.sitofp %[[INTEGER]] : i32 to f32
// CHECK-NEXT:      arith.mulf %[[REAL]], %{{.+}} : f32
func.func @quantize_per_axis(%x: tensor<1x2x4xf32>, %s: tensor<2xf32>, %z: tensor<2xi32>) -> tensor<1x2x4xf32> {
  %q = msq.quantize %x, %s, %z {format = #msq.format<unsigned, 8>, axis = 1 : i64}
      : tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xi32> -> tensor<1x2x4xi8>
  %y = msq.dequantize %q, %s, %z {format = #msq.format<unsigned, 8>, axis = 1 : i64}
      : tensor<1x2x4xi8>, tensor<2xf32>, tensor<2xi32> -> tensor<1x2x4xf32>
  return %y : tensor<1x2x4xf32>
}
