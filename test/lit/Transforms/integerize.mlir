// RUN: anybit-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(anybit-integerize,canonicalize))' | FileCheck %s

// One quantizer behind an affine chain and a clip, in its own units (numerics N5): m = sw * sx / sy is .25 * .5 / 2 and
// .125 * .5 / 2, h = bias / sy, the clip 6 / sy.
// CHECK-LABEL: func.func @threshold
// CHECK-SAME:    (%[[Q:.+]]: tensor<1x4x8x8xi8>)
// CHECK-DAG:     %[[W:.+]] = arith.constant dense<1> : tensor<2x4x3x3xi8>
// CHECK-DAG:     %[[M:.+]] = arith.constant dense<[6.250000e-02, 3.125000e-02]> : tensor<2xf32>
// CHECK-DAG:     %[[H:.+]] = arith.constant dense<[5.000000e-01, -1.500000e+00]> : tensor<2xf32>
// CHECK-DAG:     %[[LOW:.+]] = arith.constant 0.000000e+00 : f32
// CHECK-DAG:     %[[HIGH:.+]] = arith.constant 3.000000e+00 : f32
// CHECK:         %[[Y:.+]] = lowbit.conv %[[Q]], %[[W]] params(%[[M]], %[[H]])
// CHECK-SAME:      groups = 1 : i64, input_high = 15 : i32, input_zero = 3 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>
// CHECK-SAME:      weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32
// CHECK-NEXT:    ^bb0(%[[ACC:.+]]: i32, %[[M0:.+]]: f32, %[[H0:.+]]: f32):
// CHECK-NEXT:      %[[REAL:.+]] = arith.sitofp %[[ACC]] : i32 to f32
// CHECK-NEXT:      %[[SCALED:.+]] = arith.mulf %[[REAL]], %[[M0]] : f32
// CHECK-NEXT:      %[[SUM:.+]] = arith.addf %[[SCALED]], %[[H0]] : f32
// CHECK-NEXT:      %[[ABOVE:.+]] = arith.cmpf ogt, %[[SUM]], %[[LOW]] : f32
// CHECK-NEXT:      %[[RAISED:.+]] = arith.select %[[ABOVE]], %[[SUM]], %[[LOW]] : f32
// CHECK-NEXT:      %[[BELOW:.+]] = arith.cmpf olt, %[[RAISED]], %[[HIGH]] : f32
// CHECK-NEXT:      %[[CLIPPED:.+]] = arith.select %[[BELOW]], %[[RAISED]], %[[HIGH]] : f32
// CHECK-NEXT:      %[[CODE:.+]] = lowbit.round %[[CLIPPED]] {high = 15 : i32, low = 0 : i32, zero = 5 : i32} : f32
// CHECK-NEXT:      lowbit.yield %[[CODE]] : i8
// CHECK:         return %[[Y]]
#id = affine_map<(n, c, h, w) -> (n, c, h, w)>
#channel = affine_map<(n, c, h, w) -> (c)>
func.func @threshold(%q: tensor<1x4x8x8xi8>) -> tensor<1x2x8x8xi8> {
  %sx = arith.constant dense<0.5> : tensor<f32>
  %zx = arith.constant dense<3> : tensor<i32>
  %w = arith.constant dense<1> : tensor<2x4x3x3xi8>
  %sw = arith.constant dense<[0.25, 0.125]> : tensor<2xf32>
  %zw = arith.constant dense<0> : tensor<i32>
  %sy = arith.constant dense<2.0> : tensor<f32>
  %zy = arith.constant dense<5> : tensor<i32>
  %bias = arith.constant dense<[1.0, -3.0]> : tensor<2xf32>
  %x = msq.dequantize %q, %sx, %zx {format = #msq.format<unsigned, 4>}
      : tensor<1x4x8x8xi8>, tensor<f32>, tensor<i32> -> tensor<1x4x8x8xf32>
  %weights = msq.dequantize %w, %sw, %zw {format = #msq.format<signed, 4>}
      : tensor<2x4x3x3xi8>, tensor<2xf32>, tensor<i32> -> tensor<2x4x3x3xf32>
  %conv = msq.conv %x, %weights {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>,
      dilations = array<i64: 1, 1>} : tensor<1x4x8x8xf32>, tensor<2x4x3x3xf32> -> tensor<1x2x8x8xf32>
  %empty = tensor.empty() : tensor<1x2x8x8xf32>
  %biased = linalg.generic {indexing_maps = [#id, #channel, #id],
                            iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%conv, %bias : tensor<1x2x8x8xf32>, tensor<2xf32>) outs(%empty : tensor<1x2x8x8xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %sum = arith.addf %a, %b : f32
    linalg.yield %sum : f32
  } -> tensor<1x2x8x8xf32>
  %clipped = linalg.generic {indexing_maps = [#id, #id],
                             iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%biased : tensor<1x2x8x8xf32>) outs(%empty : tensor<1x2x8x8xf32>) {
  ^bb0(%a: f32, %out: f32):
    %nothing = arith.constant 0.0 : f32
    %six = arith.constant 6.0 : f32
    %raised = arith.maximumf %a, %nothing : f32
    %both = arith.minimumf %raised, %six : f32
    linalg.yield %both : f32
  } -> tensor<1x2x8x8xf32>
  %y = msq.quantize %clipped, %sy, %zy {format = #msq.format<unsigned, 4>}
      : tensor<1x2x8x8xf32>, tensor<f32>, tensor<i32> -> tensor<1x2x8x8xi8>
  return %y : tensor<1x2x8x8xi8>
}

// -----

// Batch norm folds into both factors, in double (numerics N7): g = gamma / sqrt(variance + epsilon) = 6 / 2 and 1 / 4,
// m = sw * sx * g / sy, h = (beta - mean * g) / sy = (1 - 2 * 3) / 2 and (0 - 8 / 4) / 2.
// CHECK-LABEL: func.func @batch_norm
// CHECK-DAG:     %[[M:.+]] = arith.constant dense<[3.750000e-01, 3.125000e-02]> : tensor<2xf32>
// CHECK-DAG:     %[[H:.+]] = arith.constant dense<[-2.500000e+00, -1.000000e+00]> : tensor<2xf32>
// CHECK:         lowbit.conv %{{.+}}, %{{.+}} params(%[[M]], %[[H]])
// CHECK-NOT:     = msq.
// CHECK:         return
func.func @batch_norm(%q: tensor<1x1x8xi8>) -> tensor<1x2x8xi8> {
  %sx = arith.constant dense<0.5> : tensor<f32>
  %sw = arith.constant dense<0.5> : tensor<f32>
  %sy = arith.constant dense<2.0> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %w = arith.constant dense<1> : tensor<2x1x1xi8>
  %gamma = arith.constant dense<[6.0, 1.0]> : tensor<2xf32>
  %beta = arith.constant dense<[1.0, 0.0]> : tensor<2xf32>
  %mean = arith.constant dense<[2.0, 8.0]> : tensor<2xf32>
  %variance = arith.constant dense<[3.0, 15.0]> : tensor<2xf32>
  %x = msq.dequantize %q, %sx, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x1x8xi8>, tensor<f32>, tensor<i32> -> tensor<1x1x8xf32>
  %weights = msq.dequantize %w, %sw, %zero {format = #msq.format<signed, 4>}
      : tensor<2x1x1xi8>, tensor<f32>, tensor<i32> -> tensor<2x1x1xf32>
  %conv = msq.conv %x, %weights {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>}
      : tensor<1x1x8xf32>, tensor<2x1x1xf32> -> tensor<1x2x8xf32>
  %norm = msq.batch_norm %conv, %gamma, %beta, %mean, %variance {epsilon = 1.0 : f64} : tensor<1x2x8xf32>, tensor<2xf32>
  %y = msq.quantize %norm, %sy, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x2x8xf32>, tensor<f32>, tensor<i32> -> tensor<1x2x8xi8>
  return %y : tensor<1x2x8xi8>
}

// -----

// A residual has no thresholds (two variables): real units, the sum, then every quantizer by its own factor.
// CHECK-LABEL: func.func @residual
// CHECK-SAME:    (%[[Q:.+]]: tensor<1x2x4x4xi8>, %[[R:.+]]: tensor<1x2x4x4xi8>)
// CHECK-DAG:     %[[M:.+]] = arith.constant dense<5.000000e-01> : tensor<2xf32>
// CHECK-DAG:     %[[H:.+]] = arith.constant dense<0.000000e+00> : tensor<2xf32>
// CHECK:         %[[Y:.+]]:2 = lowbit.conv %[[Q]], %{{.+}} params(%[[M]], %[[H]], %[[R]])
// CHECK-NEXT:    ^bb0(%[[ACC:.+]]: i32, %[[M0:.+]]: f32, %[[H0:.+]]: f32, %[[R0:.+]]: i8):
// CHECK:           %[[OWN:.+]] = arith.addf %{{.+}}, %[[H0]] : f32
// CHECK:           %[[CODE:.+]] = arith.extui %[[R0]] : i8 to i32
// CHECK:           %[[EXACT:.+]] = arith.subi %[[CODE]], %{{.+}} : i32
// CHECK:           %[[REAL:.+]] = arith.sitofp %[[EXACT]] : i32 to f32
// CHECK:           %[[OTHER:.+]] = arith.mulf %[[REAL]], %{{.+}} : f32
// CHECK:           %[[SUM:.+]] = arith.addf %[[OWN]], %[[OTHER]] : f32
// CHECK:           %[[FIRST:.+]] = lowbit.round %{{.+}} {high = 15 : i32, low = 0 : i32, zero = 0 : i32} : f32
// CHECK:           %[[SECOND:.+]] = lowbit.round %{{.+}} {high = 255 : i32, low = 0 : i32, zero = 128 : i32} : f32
// CHECK-NEXT:      lowbit.yield %[[FIRST]], %[[SECOND]] : i8, i8
// CHECK-NOT:     linalg.generic
// CHECK:         return %[[Y]]#0, %[[Y]]#1
#id = affine_map<(n, c, h, w) -> (n, c, h, w)>
func.func @residual(%q: tensor<1x2x4x4xi8>, %r: tensor<1x2x4x4xi8>)
    -> (tensor<1x2x4x4xi8>, tensor<1x2x4x4xi8>) {
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %seven = arith.constant dense<7> : tensor<i32>
  %middle = arith.constant dense<128> : tensor<i32>
  %w = arith.constant dense<1> : tensor<2x2x1x1xi8>
  %x = msq.dequantize %q, %one, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x2x4x4xi8>, tensor<f32>, tensor<i32> -> tensor<1x2x4x4xf32>
  %other = msq.dequantize %r, %half, %seven {format = #msq.format<unsigned, 4>}
      : tensor<1x2x4x4xi8>, tensor<f32>, tensor<i32> -> tensor<1x2x4x4xf32>
  %weights = msq.dequantize %w, %half, %zero {format = #msq.format<odd, 2>}
      : tensor<2x2x1x1xi8>, tensor<f32>, tensor<i32> -> tensor<2x2x1x1xf32>
  %conv = msq.conv %x, %weights {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>} : tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32> -> tensor<1x2x4x4xf32>
  %empty = tensor.empty() : tensor<1x2x4x4xf32>
  %sum = linalg.generic {indexing_maps = [#id, #id, #id],
                         iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%other, %conv : tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) outs(%empty : tensor<1x2x4x4xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %t = arith.addf %a, %b : f32
    linalg.yield %t : f32
  } -> tensor<1x2x4x4xf32>
  %narrow = msq.quantize %sum, %half, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x2x4x4xf32>, tensor<f32>, tensor<i32> -> tensor<1x2x4x4xi8>
  %wide = msq.quantize %sum, %half, %middle {format = #msq.format<unsigned, 8>}
      : tensor<1x2x4x4xf32>, tensor<f32>, tensor<i32> -> tensor<1x2x4x4xi8>
  return %narrow, %wide : tensor<1x2x4x4xi8>, tensor<1x2x4x4xi8>
}

// -----

// A sum that somebody reads as reals is one (numerics N6): the convolution ends before it.
// CHECK-LABEL: func.func @residual_of_reals
// CHECK:         %[[CONV:.+]] = lowbit.conv {{.+}} params(%{{[^,]+}}, %{{[^,]+}})
// CHECK:           lowbit.yield %{{.+}} : f32
// CHECK:         %[[SUM:.+]] = linalg.generic
// CHECK:         arith.addf
// CHECK:         %[[Q:.+]] = msq.quantize %[[SUM]],
// CHECK:         return {{.+}}%[[SUM]]
#id = affine_map<(n, c, h, w) -> (n, c, h, w)>
func.func @residual_of_reals(%q: tensor<1x2x4x4xi8>, %r: tensor<1x2x4x4xi8>)
    -> (tensor<1x2x4x4xi8>, tensor<1x2x4x4xi8>, tensor<1x2x4x4xf32>) {
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %seven = arith.constant dense<7> : tensor<i32>
  %middle = arith.constant dense<128> : tensor<i32>
  %w = arith.constant dense<1> : tensor<2x2x1x1xi8>
  %x = msq.dequantize %q, %one, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x2x4x4xi8>, tensor<f32>, tensor<i32> -> tensor<1x2x4x4xf32>
  %other = msq.dequantize %r, %half, %seven {format = #msq.format<unsigned, 4>}
      : tensor<1x2x4x4xi8>, tensor<f32>, tensor<i32> -> tensor<1x2x4x4xf32>
  %weights = msq.dequantize %w, %half, %zero {format = #msq.format<odd, 2>}
      : tensor<2x2x1x1xi8>, tensor<f32>, tensor<i32> -> tensor<2x2x1x1xf32>
  %conv = msq.conv %x, %weights {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>} : tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32> -> tensor<1x2x4x4xf32>
  %empty = tensor.empty() : tensor<1x2x4x4xf32>
  %sum = linalg.generic {indexing_maps = [#id, #id, #id],
                         iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%other, %conv : tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) outs(%empty : tensor<1x2x4x4xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %t = arith.addf %a, %b : f32
    linalg.yield %t : f32
  } -> tensor<1x2x4x4xf32>
  %narrow = msq.quantize %sum, %half, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x2x4x4xf32>, tensor<f32>, tensor<i32> -> tensor<1x2x4x4xi8>
  %wide = msq.quantize %sum, %half, %middle {format = #msq.format<unsigned, 8>}
      : tensor<1x2x4x4xf32>, tensor<f32>, tensor<i32> -> tensor<1x2x4x4xi8>
  return %narrow, %wide, %sum : tensor<1x2x4x4xi8>, tensor<1x2x4x4xi8>, tensor<1x2x4x4xf32>
}

// -----

// Without a quantizer the result is real, and the accumulator still exact.
// CHECK-LABEL: func.func @logits
// CHECK-DAG:     %[[M:.+]] = arith.constant dense<5.000000e-01> : tensor<10xf32>
// CHECK:         lowbit.conv %{{.+}}, %{{.+}} params(%[[M]], %{{.+}})
// CHECK-NEXT:    ^bb0(%[[ACC:.+]]: i32, %[[M0:.+]]: f32, %[[H0:.+]]: f32):
// CHECK:           %[[SUM:.+]] = arith.addf %{{.+}}, %[[H0]] : f32
// CHECK-NEXT:      lowbit.yield %[[SUM]] : f32
func.func @logits(%q: tensor<1x16x1xi8>) -> tensor<1x10x1xf32> {
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %w = arith.constant dense<1> : tensor<10x16x1xi8>
  %x = msq.dequantize %q, %one, %zero {format = #msq.format<unsigned, 8>}
      : tensor<1x16x1xi8>, tensor<f32>, tensor<i32> -> tensor<1x16x1xf32>
  %weights = msq.dequantize %w, %half, %zero {format = #msq.format<signed, 8>}
      : tensor<10x16x1xi8>, tensor<f32>, tensor<i32> -> tensor<10x16x1xf32>
  %y = msq.conv %x, %weights {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>}
      : tensor<1x16x1xf32>, tensor<10x16x1xf32> -> tensor<1x10x1xf32>
  return %y : tensor<1x10x1xf32>
}

// -----

// Real weights, real inputs and weights that a caller gives keep the convolution real.
// CHECK-LABEL: func.func @stays_real
// CHECK-NOT:     lowbit.conv
// CHECK-COUNT-3: msq.conv
// CHECK-NOT:     lowbit.conv
// CHECK:         return
func.func @stays_real(%q: tensor<1x4x8xi8>, %x: tensor<1x4x8xf32>, %given: tensor<2x4x1xi8>)
    -> (tensor<1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>) {
  %one = arith.constant dense<1.0> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %real = arith.constant dense<1.0> : tensor<2x4x1xf32>
  %w = arith.constant dense<1> : tensor<2x4x1xi8>
  %codes = msq.dequantize %q, %one, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x4x8xi8>, tensor<f32>, tensor<i32> -> tensor<1x4x8xf32>
  %weights = msq.dequantize %w, %one, %zero {format = #msq.format<signed, 4>}
      : tensor<2x4x1xi8>, tensor<f32>, tensor<i32> -> tensor<2x4x1xf32>
  %late = msq.dequantize %given, %one, %zero {format = #msq.format<signed, 4>}
      : tensor<2x4x1xi8>, tensor<f32>, tensor<i32> -> tensor<2x4x1xf32>
  %a = msq.conv %codes, %real {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>}
      : tensor<1x4x8xf32>, tensor<2x4x1xf32> -> tensor<1x2x8xf32>
  %b = msq.conv %x, %weights {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>}
      : tensor<1x4x8xf32>, tensor<2x4x1xf32> -> tensor<1x2x8xf32>
  %c = msq.conv %codes, %late {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>}
      : tensor<1x4x8xf32>, tensor<2x4x1xf32> -> tensor<1x2x8xf32>
  return %a, %b, %c : tensor<1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>
}

// -----

// Codes of `odd` are summed as they are, then doubled, and 255 * sum(w) is taken off: 2 (q0 - 2 q1) - 255 * -1.
// CHECK-LABEL: func.func @odd_input
// CHECK-SAME:    (%[[Q:.+]]: tensor<1x2x8xi8>, %[[R:.+]]: tensor<1x2x8xi8>)
// CHECK-DAG:     %[[ZEROS:.+]] = arith.constant dense<[-255, 510]> : tensor<2xi32>
// CHECK:         lowbit.conv %[[Q]], %{{.+}} params(%{{.+}}, %{{.+}}, %[[R]], %[[ZEROS]])
// CHECK-SAME:      input_zero = 0 : i32
// CHECK-NEXT:    ^bb0(%[[ACC:.+]]: i32, %{{.+}}: f32, %{{.+}}: f32, %[[R0:.+]]: i8, %[[Z:.+]]: i32):
// CHECK-NEXT:      %[[TWICE:.+]] = arith.addi %[[ACC]], %[[ACC]] : i32
// CHECK-NEXT:      %[[EXACT:.+]] = arith.subi %[[TWICE]], %[[Z]] : i32
// CHECK-NEXT:      arith.sitofp %[[EXACT]] : i32 to f32
// CHECK:           %[[CODE:.+]] = arith.extui %[[R0]] : i8 to i32
// CHECK:           %[[BOTH:.+]] = arith.addi %[[CODE]], %[[CODE]] : i32
// CHECK-NEXT:      arith.subi %[[BOTH]], %c7_i32 : i32
#odd = affine_map<(n, c, w) -> (n, c, w)>
func.func @odd_input(%q: tensor<1x2x8xi8>, %r: tensor<1x2x8xi8>) -> tensor<1x2x8xi8> {
  %one = arith.constant dense<1.0> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %w = arith.constant dense<[[[1], [-2]], [[1], [1]]]> : tensor<2x2x1xi8>
  %x = msq.dequantize %q, %one, %zero {format = #msq.format<odd, 8>}
      : tensor<1x2x8xi8>, tensor<f32>, tensor<i32> -> tensor<1x2x8xf32>
  %other = msq.dequantize %r, %one, %zero {format = #msq.format<odd, 3>}
      : tensor<1x2x8xi8>, tensor<f32>, tensor<i32> -> tensor<1x2x8xf32>
  %weights = msq.dequantize %w, %one, %zero {format = #msq.format<signed, 4>}
      : tensor<2x2x1xi8>, tensor<f32>, tensor<i32> -> tensor<2x2x1xf32>
  %conv = msq.conv %x, %weights {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>}
      : tensor<1x2x8xf32>, tensor<2x2x1xf32> -> tensor<1x2x8xf32>
  %empty = tensor.empty() : tensor<1x2x8xf32>
  %sum = linalg.generic {indexing_maps = [#odd, #odd, #odd], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%conv, %other : tensor<1x2x8xf32>, tensor<1x2x8xf32>) outs(%empty : tensor<1x2x8xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %t = arith.addf %a, %b : f32
    linalg.yield %t : f32
  } -> tensor<1x2x8xf32>
  %y = msq.quantize %sum, %one, %zero {format = #msq.format<odd, 8>}
      : tensor<1x2x8xf32>, tensor<f32>, tensor<i32> -> tensor<1x2x8xi8>
  return %y : tensor<1x2x8xi8>
}

// -----

// No code stands for the padding of `odd` (numerics G4).
// CHECK-LABEL: func.func @padded_odd_input
// CHECK-NOT:     lowbit.conv
// CHECK:         msq.conv
func.func @padded_odd_input(%q: tensor<1x2x8xi8>) -> tensor<1x2x9xf32> {
  %one = arith.constant dense<1.0> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %w = arith.constant dense<1> : tensor<2x2x1xi8>
  %x = msq.dequantize %q, %one, %zero {format = #msq.format<odd, 2>}
      : tensor<1x2x8xi8>, tensor<f32>, tensor<i32> -> tensor<1x2x8xf32>
  %weights = msq.dequantize %w, %one, %zero {format = #msq.format<signed, 4>}
      : tensor<2x2x1xi8>, tensor<f32>, tensor<i32> -> tensor<2x2x1xf32>
  %y = msq.conv %x, %weights {strides = array<i64: 1>, pads = array<i64: 0, 1>, dilations = array<i64: 1>}
      : tensor<1x2x8xf32>, tensor<2x2x1xf32> -> tensor<1x2x9xf32>
  return %y : tensor<1x2x9xf32>
}
