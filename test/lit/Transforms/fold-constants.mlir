// RUN: anybit-opt %s --pass-pipeline='builtin.module(func.func(anybit-fold-constants))' | FileCheck %s

// A chain of late constants becomes codes of the candidate's width; the dequantizer stays, because integerization reads
// the codes. mix_bands on the plane [1; -2] with (1, .5, .25, 0): .4375 - .375 = .0625 and .1875 - .875 = -.6875.
// CHECK-LABEL: func.func @chain
// CHECK-SAME:    (%[[X:.+]]: tensor<1x1x4x4xf32>)
// CHECK-NOT:     msq.select
// CHECK-NOT:     msq.mix_bands
// CHECK-NOT:     msq.quantize
// CHECK-DAG:     %[[SCALE:.+]] = arith.constant dense<[2.500000e-01, 5.000000e-01]> : tensor<2xf32>
// CHECK-DAG:     %[[ZERO:.+]] = arith.constant dense<0> : tensor<i32>
// CHECK-DAG:     %[[CODES:.+]] = arith.constant dense<{{\[\[\[\[}}0]]], {{\[\[\[}}-1]]]]> : tensor<2x1x1x1xi8>
// CHECK:         %[[W:.+]] = msq.dequantize %[[CODES]], %[[SCALE]], %[[ZERO]] {format = #msq.format<signed, 4>}
// CHECK-NEXT:    msq.conv %[[X]], %[[W]]
func.func @chain(%x: tensor<1x1x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %candidate = arith.constant dense<1> : tensor<i64>
  %w = arith.constant dense<[[[[1.0]]], [[[-2.0]]]]> : tensor<2x1x1x1xf32>
  %alphas = arith.constant dense<[[1.0, 1.0, 1.0, 1.0], [1.0, 0.5, 0.25, 0.0]]> : tensor<2x4xf32>
  %widths = arith.constant dense<[8, 4]> : tensor<2xi64>
  %scales = arith.constant dense<[[1.0, 2.0], [0.25, 0.5]]> : tensor<2x2xf32>
  %zero = arith.constant dense<0> : tensor<i32>
  %alpha = msq.select %candidate, %alphas : tensor<2x4xf32> -> tensor<4xf32>
  %bits = msq.select %candidate, %widths : tensor<2xi64> -> tensor<i64>
  %scale = msq.select %candidate, %scales : tensor<2x2xf32> -> tensor<2xf32>
  %mixed = msq.mix_bands %w, %alpha {layout = #msq.layout<plane>, wavelet = #msq.wavelet<haar>} : tensor<2x1x1x1xf32>
  %codes = msq.quantize %mixed, %scale, %zero bits %bits {format = #msq.format<signed, 8>}
      : tensor<2x1x1x1xf32>, tensor<2xf32>, tensor<i32> -> tensor<2x1x1x1xi8>
  %real = msq.dequantize %codes, %scale, %zero bits %bits {format = #msq.format<signed, 8>}
      : tensor<2x1x1x1xi8>, tensor<2xf32>, tensor<i32> -> tensor<2x1x1x1xf32>
  %y = msq.conv %x, %real {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
      : tensor<1x1x4x4xf32>, tensor<2x1x1x1xf32> -> tensor<1x2x4x4xf32>
  return %y : tensor<1x2x4x4xf32>
}

// The width of an activation's quantizer is a late constant too; the rest of the op stays.
// CHECK-LABEL: func.func @width
// CHECK-SAME:    (%[[X:.+]]: tensor<1x4xf32>)
// CHECK:         msq.quantize %[[X]], %{{.+}}, %{{.+}} {format = #msq.format<unsigned, 2>} : tensor<1x4xf32>
func.func @width(%x: tensor<1x4xf32>) -> tensor<1x4xi8> {
  %bits = arith.constant dense<2> : tensor<i64>
  %scale = arith.constant dense<1.0> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %codes = msq.quantize %x, %scale, %zero bits %bits {format = #msq.format<unsigned, 8>}
      : tensor<1x4xf32>, tensor<f32>, tensor<i32> -> tensor<1x4xi8>
  return %codes : tensor<1x4xi8>
}

// A row that the table does not have stays, so that nobody computes with another one.
// CHECK-LABEL: func.func @row_outside
// CHECK:         msq.select
func.func @row_outside() -> tensor<2xf32> {
  %candidate = arith.constant dense<2> : tensor<i64>
  %table = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %row = msq.select %candidate, %table : tensor<2x2xf32> -> tensor<2xf32>
  return %row : tensor<2xf32>
}

// A candidate that is not known yet keeps its choice.
// CHECK-LABEL: func.func @late
// CHECK-SAME:    (%[[CANDIDATE:.+]]: tensor<i64>)
// CHECK:         msq.select %[[CANDIDATE]],
func.func @late(%candidate: tensor<i64>) -> tensor<2xf32> {
  %table = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %row = msq.select %candidate, %table : tensor<2x2xf32> -> tensor<2xf32>
  return %row : tensor<2xf32>
}

// Convention C3: a constant flag chooses between two computations, and only the chosen one remains.
// CHECK-LABEL: func.func @where
// CHECK-SAME:    (%[[X:.+]]: tensor<2x2xf32>, %[[Q:.+]]: tensor<2x2xf32>)
// CHECK-NEXT:    return %[[Q]]
func.func @where(%x: tensor<2x2xf32>, %q: tensor<2x2xf32>) -> tensor<2x2xf32> {
  %candidate = arith.constant dense<1> : tensor<i64>
  %flags = arith.constant dense<[true, false]> : tensor<2xi1>
  %flag = msq.select %candidate, %flags : tensor<2xi1> -> tensor<i1>
  %empty = tensor.empty() : tensor<2x2xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(i, j) -> ()>, affine_map<(i, j) -> (i, j)>,
                                        affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
                       iterator_types = ["parallel", "parallel"]}
      ins(%flag, %x, %q : tensor<i1>, tensor<2x2xf32>, tensor<2x2xf32>) outs(%empty : tensor<2x2xf32>) {
  ^bb0(%f: i1, %a: f32, %b: f32, %out: f32):
    %chosen = arith.select %f, %a, %b : f32
    linalg.yield %chosen : f32
  } -> tensor<2x2xf32>
  return %y : tensor<2x2xf32>
}

// Elements that choose differently are no choice of a computation.
// CHECK-LABEL: func.func @where_mixed
// CHECK:         arith.select
func.func @where_mixed(%x: tensor<2xf32>, %q: tensor<2xf32>) -> tensor<2xf32> {
  %flag = arith.constant dense<[true, false]> : tensor<2xi1>
  %empty = tensor.empty() : tensor<2xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>, affine_map<(i) -> (i)>,
                                        affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%flag, %x, %q : tensor<2xi1>, tensor<2xf32>, tensor<2xf32>) outs(%empty : tensor<2xf32>) {
  ^bb0(%f: i1, %a: f32, %b: f32, %out: f32):
    %chosen = arith.select %f, %a, %b : f32
    linalg.yield %chosen : f32
  } -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// Elementwise ops on constants, with an operand that is broadcast along the columns.
// CHECK-LABEL: func.func @elementwise
// CHECK-NEXT:    %[[Y:.+]] = arith.constant dense<{{\[\[}}1.100000e+01, 1.200000e+01], [2.300000e+01, 2.400000e+01]]>
// CHECK-NEXT:    return %[[Y]]
func.func @elementwise() -> tensor<2x2xf32> {
  %a = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %b = arith.constant dense<[10.0, 20.0]> : tensor<2xf32>
  %empty = tensor.empty() : tensor<2x2xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>,
                                        affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
      ins(%a, %b : tensor<2x2xf32>, tensor<2xf32>) outs(%empty : tensor<2x2xf32>) {
  ^bb0(%left: f32, %right: f32, %out: f32):
    %sum = arith.addf %left, %right : f32
    linalg.yield %sum : f32
  } -> tensor<2x2xf32>
  return %y : tensor<2x2xf32>
}

// An operand that a caller gives stops the evaluation.
// CHECK-LABEL: func.func @elementwise_of_input
// CHECK:         arith.addf
func.func @elementwise_of_input(%a: tensor<2xf32>) -> tensor<2xf32> {
  %b = arith.constant dense<[10.0, 20.0]> : tensor<2xf32>
  %empty = tensor.empty() : tensor<2xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
                       iterator_types = ["parallel"]}
      ins(%a, %b : tensor<2xf32>, tensor<2xf32>) outs(%empty : tensor<2xf32>) {
  ^bb0(%left: f32, %right: f32, %out: f32):
    %sum = arith.addf %left, %right : f32
    linalg.yield %sum : f32
  } -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// The weights of a matrix product are transposed once, here.
// CHECK-LABEL: func.func @transpose
// CHECK-NEXT:    %[[T:.+]] = arith.constant dense<{{\[\[}}1, 4], [2, 5], [3, 6]]> : tensor<3x2xi32>
// CHECK-NEXT:    return %[[T]]
func.func @transpose() -> tensor<3x2xi32> {
  %w = arith.constant dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi32>
  %empty = tensor.empty() : tensor<3x2xi32>
  %t = linalg.transpose ins(%w : tensor<2x3xi32>) outs(%empty : tensor<3x2xi32>) permutation = [1, 0]
  return %t : tensor<3x2xi32>
}

// What is large becomes a blob: the context keeps an attribute for ever.
// CHECK-LABEL: func.func @large
// CHECK-NEXT:    %[[ROW:.+]] = arith.constant dense_resource<{{.+}}> : tensor<1x257xf32>
// CHECK-NEXT:    return %[[ROW]]
func.func @large() -> tensor<1x257xf32> {
  %candidate = arith.constant dense<0> : tensor<i64>
  %table = arith.constant dense<1.0> : tensor<1x1x257xf32>
  %row = msq.select %candidate, %table : tensor<1x1x257xf32> -> tensor<1x257xf32>
  return %row : tensor<1x257xf32>
}
