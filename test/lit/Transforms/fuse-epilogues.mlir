// RUN: anybit-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(anybit-fuse-epilogues))' | FileCheck %s

// A bias per channel and an activation behind it move into the epilogue one after the other.
// CHECK-LABEL: func.func @bias_and_relu
// CHECK-SAME:    (%[[X:.+]]: tensor<1x2x8xf32>, %[[OLD:.+]]: tensor<1x4x8xf32>)
// CHECK-DAG:     %[[BIAS:.+]] = arith.constant dense<1.000000e+00> : tensor<4xf32>
// CHECK:         %[[Y:.+]] = lowbit.conv %[[X]], %{{.+}} params(%[[OLD]], %[[BIAS]])
// CHECK-NEXT:    ^bb0(%[[ACC:.+]]: f32, %[[OLD0:.+]]: f32, %[[BIAS0:.+]]: f32):
// CHECK-NEXT:      %[[FIRST:.+]] = arith.addf %[[ACC]], %[[OLD0]] : f32
// CHECK-NEXT:      %[[SECOND:.+]] = arith.addf %[[FIRST]], %[[BIAS0]] : f32
// CHECK-NEXT:      %[[NOTHING:.+]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:      %[[RELU:.+]] = arith.maximumf %[[SECOND]], %[[NOTHING]] : f32
// CHECK-NEXT:      lowbit.yield %[[RELU]] : f32
// CHECK-NOT:     linalg.generic
// CHECK:         return %[[Y]]
#id = affine_map<(n, c, w) -> (n, c, w)>
#channel = affine_map<(n, c, w) -> (c)>
func.func @bias_and_relu(%x: tensor<1x2x8xf32>, %old: tensor<1x4x8xf32>) -> tensor<1x4x8xf32> {
  %w = arith.constant dense<1.0> : tensor<4x2x1xf32>
  %bias = arith.constant dense<1.0> : tensor<4xf32>
  %empty = tensor.empty() : tensor<1x4x8xf32>
  %conv = lowbit.conv %x, %w params(%old) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32, weight_zero = 0 : i32} {
  ^bb0(%acc: f32, %o: f32):
    %s = arith.addf %acc, %o : f32
    lowbit.yield %s : f32
  } : tensor<1x2x8xf32>, tensor<4x2x1xf32>, (tensor<1x4x8xf32>) -> tensor<1x4x8xf32>
  %biased = linalg.generic {indexing_maps = [#channel, #id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%bias, %conv : tensor<4xf32>, tensor<1x4x8xf32>) outs(%empty : tensor<1x4x8xf32>) {
  ^bb0(%b: f32, %a: f32, %out: f32):
    %s = arith.addf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<1x4x8xf32>
  %relu = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%biased : tensor<1x4x8xf32>) outs(%empty : tensor<1x4x8xf32>) {
  ^bb0(%a: f32, %out: f32):
    %nothing = arith.constant 0.0 : f32
    %m = arith.maximumf %a, %nothing : f32
    linalg.yield %m : f32
  } -> tensor<1x4x8xf32>
  return %relu : tensor<1x4x8xf32>
}

// -----

// A quantizer of reals moves too, and a whole tensor beside it becomes a parameter per element.
// CHECK-LABEL: func.func @residual_and_quantizer
// CHECK-SAME:    %[[R:[^ ]+]]: tensor<1x4x8xi8>)
// CHECK:         %[[Y:.+]] = lowbit.conv %{{.+}}, %{{.+}} params(%{{.+}}, %[[R]])
// CHECK-NEXT:    ^bb0(%[[ACC:.+]]: f32, %{{.+}}: f32, %[[R0:.+]]: i8):
// CHECK:           %[[REAL:.+]] = arith.uitofp %[[R0]] : i8 to f32
// CHECK-NEXT:      %[[SUM:.+]] = arith.addf %{{.+}}, %[[REAL]] : f32
// CHECK-NEXT:      %[[CODE:.+]] = lowbit.round %[[SUM]] {high = 15 : i32, low = 0 : i32, zero = 0 : i32} : f32
// CHECK-NEXT:      lowbit.yield %[[CODE]] : i8
// CHECK:         return %[[Y]] : tensor<1x4x8xi8>
#id = affine_map<(n, c, w) -> (n, c, w)>
func.func @residual_and_quantizer(%x: tensor<1x2x8xf32>, %bias: tensor<4xf32>, %r: tensor<1x4x8xi8>) -> tensor<1x4x8xi8> {
  %w = arith.constant dense<1.0> : tensor<4x2x1xf32>
  %conv = lowbit.conv %x, %w params(%bias) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32, weight_zero = 0 : i32} {
  ^bb0(%acc: f32, %b: f32):
    %s = arith.addf %acc, %b : f32
    lowbit.yield %s : f32
  } : tensor<1x2x8xf32>, tensor<4x2x1xf32>, (tensor<4xf32>) -> tensor<1x4x8xf32>
  %empty = tensor.empty() : tensor<1x4x8xi8>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%conv, %r : tensor<1x4x8xf32>, tensor<1x4x8xi8>) outs(%empty : tensor<1x4x8xi8>) {
  ^bb0(%a: f32, %b: i8, %out: i8):
    %real = arith.uitofp %b : i8 to f32
    %s = arith.addf %a, %real : f32
    %q = lowbit.round %s {low = 0 : i32, high = 15 : i32, zero = 0 : i32} : f32
    linalg.yield %q : i8
  } -> tensor<1x4x8xi8>
  return %y : tensor<1x4x8xi8>
}

// -----

// Somebody else reads the convolution, so its result must exist.
// CHECK-LABEL: func.func @two_readers
// CHECK:         %[[CONV:.+]] = lowbit.conv
// CHECK:         %[[Y:.+]] = linalg.generic
// CHECK:         return %[[CONV]], %[[Y]]
#id = affine_map<(n, c, w) -> (n, c, w)>
func.func @two_readers(%x: tensor<1x2x8xf32>, %bias: tensor<4xf32>) -> (tensor<1x4x8xf32>, tensor<1x4x8xf32>) {
  %w = arith.constant dense<1.0> : tensor<4x2x1xf32>
  %conv = lowbit.conv %x, %w params(%bias) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32, weight_zero = 0 : i32} {
  ^bb0(%acc: f32, %b: f32):
    lowbit.yield %acc : f32
  } : tensor<1x2x8xf32>, tensor<4x2x1xf32>, (tensor<4xf32>) -> tensor<1x4x8xf32>
  %empty = tensor.empty() : tensor<1x4x8xf32>
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%conv : tensor<1x4x8xf32>) outs(%empty : tensor<1x4x8xf32>) {
  ^bb0(%a: f32, %out: f32):
    %m = arith.negf %a : f32
    linalg.yield %m : f32
  } -> tensor<1x4x8xf32>
  return %conv, %y : tensor<1x4x8xf32>, tensor<1x4x8xf32>
}

// -----

// A factor along the width is no parameter.
// CHECK-LABEL: func.func @stays
// CHECK:         %[[CONV:.+]] = lowbit.conv
// CHECK:         linalg.generic {{.+}} ins(%[[CONV]], %{{.+}} : tensor<1x4x8xf32>, tensor<8xf32>)
#id = affine_map<(n, c, w) -> (n, c, w)>
#column = affine_map<(n, c, w) -> (w)>
func.func @stays(%x: tensor<1x2x8xf32>, %bias: tensor<4xf32>) -> tensor<1x4x8xf32> {
  %w = arith.constant dense<1.0> : tensor<4x2x1xf32>
  %factor = arith.constant dense<2.0> : tensor<8xf32>
  %conv = lowbit.conv %x, %w params(%bias) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32, weight_zero = 0 : i32} {
  ^bb0(%acc: f32, %b: f32):
    lowbit.yield %acc : f32
  } : tensor<1x2x8xf32>, tensor<4x2x1xf32>, (tensor<4xf32>) -> tensor<1x4x8xf32>
  %empty = tensor.empty() : tensor<1x4x8xf32>
  %y = linalg.generic {indexing_maps = [#id, #column, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%conv, %factor : tensor<1x4x8xf32>, tensor<8xf32>) outs(%empty : tensor<1x4x8xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %p = arith.mulf %a, %b : f32
    linalg.yield %p : f32
  } -> tensor<1x4x8xf32>
  return %y : tensor<1x4x8xf32>
}

// -----

// A reduction is not elementwise.
// CHECK-LABEL: func.func @reduction
// CHECK:         %[[CONV:.+]] = lowbit.conv
// CHECK:         linalg.generic {{.+}} ins(%[[CONV]] : tensor<1x4x8xf32>)
#id = affine_map<(n, c, w) -> (n, c, w)>
#rows = affine_map<(n, c, w) -> (n, c)>
func.func @reduction(%x: tensor<1x2x8xf32>, %bias: tensor<4xf32>) -> tensor<1x4xf32> {
  %w = arith.constant dense<1.0> : tensor<4x2x1xf32>
  %nothing = arith.constant 0.0 : f32
  %conv = lowbit.conv %x, %w params(%bias) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32, weight_zero = 0 : i32} {
  ^bb0(%acc: f32, %b: f32):
    lowbit.yield %acc : f32
  } : tensor<1x2x8xf32>, tensor<4x2x1xf32>, (tensor<4xf32>) -> tensor<1x4x8xf32>
  %empty = tensor.empty() : tensor<1x4xf32>
  %start = linalg.fill ins(%nothing : f32) outs(%empty : tensor<1x4xf32>) -> tensor<1x4xf32>
  %y = linalg.generic {indexing_maps = [#id, #rows], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%conv : tensor<1x4x8xf32>) outs(%start : tensor<1x4xf32>) {
  ^bb0(%a: f32, %so_far: f32):
    %s = arith.addf %a, %so_far : f32
    linalg.yield %s : f32
  } -> tensor<1x4xf32>
  return %y : tensor<1x4xf32>
}

// -----

// A table lookup is no op on vectors.
// CHECK-LABEL: func.func @table
// CHECK:         %[[CONV:.+]] = lowbit.conv
// CHECK:         linalg.generic {{.+}} ins(%[[CONV]] : tensor<1x4x8xi8>)
#id = affine_map<(n, c, w) -> (n, c, w)>
func.func @table(%x: tensor<1x2x8xi8>, %m: tensor<4xf32>, %table: tensor<256xi8>) -> tensor<1x4x8xi8> {
  %w = arith.constant dense<1> : tensor<4x2x1xi8>
  %conv = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %b: f32):
    %real = arith.sitofp %acc : i32 to f32
    %q = lowbit.round %real {low = 0 : i32, high = 255 : i32, zero = 0 : i32} : f32
    lowbit.yield %q : i8
  } : tensor<1x2x8xi8>, tensor<4x2x1xi8>, (tensor<4xf32>) -> tensor<1x4x8xi8>
  %empty = tensor.empty() : tensor<1x4x8xi8>
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%conv : tensor<1x4x8xi8>) outs(%empty : tensor<1x4x8xi8>) {
  ^bb0(%a: i8, %out: i8):
    %at = arith.index_castui %a : i8 to index
    %next = tensor.extract %table[%at] : tensor<256xi8>
    linalg.yield %next : i8
  } -> tensor<1x4x8xi8>
  return %y : tensor<1x4x8xi8>
}
