// RUN: anybit-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(anybit-requantize-thresholds{compares=3}))' | FileCheck %s
// RUN: anybit-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(anybit-requantize-thresholds{compares=0}))' \
// RUN:   | FileCheck %s --check-prefix=NONE

// One bit. Sums go from -10 to 245. Code 1 means that the value rounds to 1, that is, is above 0.5 (ties are even):
// 0.5 s > 0.5 from 2 on; 0.25 s + 1 > 0.5 from -1 on; no s reaches it with a factor of 0, which 246 says; all do with
// 0.25 s + 4, which the least sum says. Nothing falls, so sums are compared as they are.
// CHECK-LABEL: func.func @one_bit
// CHECK:         %[[T:.+]] = arith.constant dense<[2, -1, 246, -10]> : tensor<4xi32>
// CHECK-NEXT:    lowbit.conv %{{.+}}, %{{.+}} params(%[[T]])
// CHECK-NEXT:    ^bb0(%[[SUM:.+]]: i32, %[[T0:.+]]: i32):
// CHECK-NEXT:      %[[REACHED:.+]] = arith.cmpi sge, %[[SUM]], %[[T0]] : i32
// CHECK-NEXT:      %[[STEP:.+]] = arith.extui %[[REACHED]] : i1 to i32
// CHECK-NEXT:      %[[CODE:.+]] = arith.trunci %[[STEP]] : i32 to i8
// CHECK-NEXT:      lowbit.yield %[[CODE]] : i8
// CHECK-NEXT:    }
//
// Without room for a compare it keeps the float form.
// NONE-LABEL: func.func @one_bit
// NONE-NOT:     arith.cmpi
// NONE:         lowbit.round
func.func @one_bit(%x: tensor<1x1x8xi8>) -> tensor<1x4x8xi8> {
  %w = arith.constant dense<1> : tensor<4x1x1xi8>
  %m = arith.constant dense<[0.5, 0.25, 0.0, 0.25]> : tensor<4xf32>
  %h = arith.constant dense<[0.0, 1.0, 0.0, 4.0]> : tensor<4xf32>
  %y = lowbit.conv %x, %w params(%m, %h) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 10 : i32,
      weight_format = #msq.format<signed, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32, %h0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    %y = arith.addf %scaled, %h0 : f32
    %code = lowbit.round %y {low = 0 : i32, high = 1 : i32, zero = 0 : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x1x8xi8>, tensor<4x1x1xi8>, (tensor<4xf32>, tensor<4xf32>) -> tensor<1x4x8xi8>
  return %y : tensor<1x4x8xi8>
}

// -----

// Two bits are three compares, and the lowest code is added. In the second channel codes fall: -0.5 s > -1.5 up to 2, so
// ~s is compared, from ~2 = -3 on. The sign of the weights of the third, whose sums go from -500 to 10, says nothing.
// CHECK-LABEL: func.func @falling
// CHECK-DAG:     %[[FLIP:.+]] = arith.constant dense<[0, -1, 0]> : tensor<3xi32>
// CHECK-DAG:     %[[T1:.+]] = arith.constant dense<[-2, -3, -2]> : tensor<3xi32>
// CHECK-DAG:     %[[T2:.+]] = arith.constant dense<[-1, -2, -1]> : tensor<3xi32>
// CHECK-DAG:     %[[T3:.+]] = arith.constant dense<[2, 1, 2]> : tensor<3xi32>
// CHECK:         lowbit.conv %{{.+}}, %{{.+}} params(%[[FLIP]], %[[T1]], %[[T2]], %[[T3]])
// CHECK-NEXT:    ^bb0(%[[ACC:.+]]: i32, %[[FLIP0:.+]]: i32, %[[T10:.+]]: i32, %[[T20:.+]]: i32, %[[T30:.+]]: i32):
// CHECK-NEXT:      %[[SUM:.+]] = arith.xori %[[ACC]], %[[FLIP0]] : i32
// CHECK-NEXT:      %[[R1:.+]] = arith.cmpi sge, %[[SUM]], %[[T10]] : i32
// CHECK-NEXT:      %[[S1:.+]] = arith.extui %[[R1]] : i1 to i32
// CHECK-NEXT:      %[[R2:.+]] = arith.cmpi sge, %[[SUM]], %[[T20]] : i32
// CHECK-NEXT:      %[[S2:.+]] = arith.extui %[[R2]] : i1 to i32
// CHECK-NEXT:      %[[TWO:.+]] = arith.addi %[[S1]], %[[S2]] : i32
// CHECK-NEXT:      %[[R3:.+]] = arith.cmpi sge, %[[SUM]], %[[T30]] : i32
// CHECK-NEXT:      %[[S3:.+]] = arith.extui %[[R3]] : i1 to i32
// CHECK-NEXT:      %[[COUNT:.+]] = arith.addi %[[TWO]], %[[S3]] : i32
// CHECK-NEXT:      %[[LOWEST:.+]] = arith.constant -2 : i32
// CHECK-NEXT:      %[[CODE:.+]] = arith.addi %[[COUNT]], %[[LOWEST]] : i32
// CHECK-NEXT:      %[[BYTE:.+]] = arith.trunci %[[CODE]] : i32 to i8
// CHECK-NEXT:      lowbit.yield %[[BYTE]] : i8
func.func @falling(%x: tensor<1x1x8xi8>) -> tensor<1x3x8xi8> {
  %w = arith.constant dense<[[[1]], [[1]], [[-2]]]> : tensor<3x1x1xi8>
  %m = arith.constant dense<[0.5, -0.5, 0.5]> : tensor<3xf32>
  %h = arith.constant dense<0.0> : tensor<3xf32>
  %y = lowbit.conv %x, %w params(%m, %h) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 5 : i32,
      weight_format = #msq.format<signed, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32, %h0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    %y = arith.addf %scaled, %h0 : f32
    %code = lowbit.round %y {low = -2 : i32, high = 1 : i32, zero = 0 : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x1x8xi8>, tensor<3x1x1xi8>, (tensor<3xf32>, tensor<3xf32>) -> tensor<1x3x8xi8>
  return %y : tensor<1x3x8xi8>
}

// -----

// What decides is the number of codes that occur: a clip leaves two of eight. Clips come as max, min or as a comparison
// and a choice; a test for NaN changes nothing; `odd` codes are floored halves. 0.5 (s - 1) >= 1 from 3 on.
// CHECK-LABEL: func.func @clips
// CHECK:         %[[T:.+]] = arith.constant dense<3> : tensor<2xi32>
// CHECK:         lowbit.conv %{{.+}}, %{{.+}} params(%[[T]])
// CHECK-COUNT-1: arith.cmpi
// CHECK-NOT:     arith.cmpi
// CHECK-NOT:     f32
// CHECK:         return
func.func @clips(%x: tensor<1x1x8xi8>) -> tensor<1x2x8xi8> {
  %w = arith.constant dense<1> : tensor<2x1x1xi8>
  %none = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %half = arith.constant 0.5 : f32
  %top = arith.constant 2.5 : f32
  %y = lowbit.conv %x, %w params() attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    %moved = arith.subf %real, %one : f32
    %negative = arith.negf %moved : f32
    %above = arith.cmpf olt, %negative, %none : f32
    %clipped = arith.select %above, %negative, %none : f32
    %back = arith.subf %none, %clipped : f32
    %number = arith.cmpf ord, %back, %back : f32
    %sure = arith.select %number, %back, %none : f32
    %inside = arith.minimumf %sure, %top : f32
    %halved = arith.mulf %inside, %half : f32
    %floored = math.floor %halved : f32
    %code = lowbit.round %floored {low = 0 : i32, high = 7 : i32, zero = 4 : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x1x8xi8>, tensor<2x1x1xi8> -> tensor<1x2x8xi8>
  return %y : tensor<1x2x8xi8>
}

// -----

// A code that no sum changes is a constant.
// CHECK-LABEL: func.func @one_code
// CHECK:         ^bb0(%{{.+}}: i32):
// CHECK-NEXT:      %[[CODE:.+]] = arith.constant 5 : i32
// CHECK-NEXT:      %[[BYTE:.+]] = arith.trunci %[[CODE]] : i32 to i8
// CHECK-NEXT:      lowbit.yield %[[BYTE]] : i8
func.func @one_code(%x: tensor<1x1x8xi8>) -> tensor<1x4x8xi8> {
  %w = arith.constant dense<1> : tensor<4x1x1xi8>
  %m = arith.constant dense<0.0> : tensor<4xf32>
  %h = arith.constant dense<5.0> : tensor<4xf32>
  %y = lowbit.conv %x, %w params(%m, %h) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32, %h0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    %y = arith.addf %scaled, %h0 : f32
    %code = lowbit.round %y {low = 0 : i32, high = 15 : i32, zero = 0 : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x1x8xi8>, tensor<4x1x1xi8>, (tensor<4xf32>, tensor<4xf32>) -> tensor<1x4x8xi8>
  return %y : tensor<1x4x8xi8>
}

// -----

// Results are replaced one by one; the float form of the wide code stays, with its parameters.
// CHECK-LABEL: func.func @two_results
// CHECK:         lowbit.conv %{{.+}}, %{{.+}} params(%[[M:.+]], %[[H:.+]], %[[T:.+]]) attributes
// CHECK-NEXT:    ^bb0(%[[ACC:.+]]: i32, %[[M0:.+]]: f32, %[[H0:.+]]: f32, %[[T0:.+]]: i32):
// CHECK:           %[[WIDE:.+]] = lowbit.round %{{.+}} {high = 255 : i32
// CHECK-NEXT:      arith.cmpi sge, %[[ACC]], %[[T0]] : i32
// CHECK:           %[[CODE:.+]] = arith.trunci
// CHECK-NEXT:      lowbit.yield %[[WIDE]], %[[CODE]] : i8, i8
func.func @two_results(%x: tensor<1x1x8xi8>) -> (tensor<1x4x8xi8>, tensor<1x4x8xi8>) {
  %w = arith.constant dense<1> : tensor<4x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<4xf32>
  %h = arith.constant dense<0.0> : tensor<4xf32>
  %scale = arith.constant 0.25 : f32
  %y:2 = lowbit.conv %x, %w params(%m, %h) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32, %h0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    %y = arith.addf %scaled, %h0 : f32
    %wide = lowbit.round %y {low = 0 : i32, high = 255 : i32, zero = 0 : i32} : f32
    %small = arith.mulf %y, %scale : f32
    %code = lowbit.round %small {low = 0 : i32, high = 1 : i32, zero = 0 : i32} : f32
    lowbit.yield %wide, %code : i8, i8
  } : tensor<1x1x8xi8>, tensor<4x1x1xi8>, (tensor<4xf32>, tensor<4xf32>) -> tensor<1x4x8xi8>, tensor<1x4x8xi8>
  return %y#0, %y#1 : tensor<1x4x8xi8>, tensor<1x4x8xi8>
}

// -----

// Four bits would be fifteen compares.
// CHECK-LABEL: func.func @wide
// CHECK-NOT:     arith.cmpi
// CHECK:         lowbit.round
// CHECK-NOT:     arith.cmpi
// CHECK:         return
func.func @wide(%x: tensor<1x1x8xi8>) -> tensor<1x4x8xi8> {
  %w = arith.constant dense<1> : tensor<4x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<4xf32>
  %h = arith.constant dense<0.0> : tensor<4xf32>
  %y = lowbit.conv %x, %w params(%m, %h) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32, %h0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    %y = arith.addf %scaled, %h0 : f32
    %code = lowbit.round %y {low = 0 : i32, high = 15 : i32, zero = 0 : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x1x8xi8>, tensor<4x1x1xi8>, (tensor<4xf32>, tensor<4xf32>) -> tensor<1x4x8xi8>
  return %y : tensor<1x4x8xi8>
}

// -----

// Two variables have no thresholds (numerics N5, second form).
// CHECK-LABEL: func.func @residual
// CHECK-NOT:     arith.cmpi
// CHECK:         lowbit.round
// CHECK-NOT:     arith.cmpi
// CHECK:         return
func.func @residual(%x: tensor<1x1x8xi8>, %r: tensor<1x4x8xi8>) -> tensor<1x4x8xi8> {
  %w = arith.constant dense<1> : tensor<4x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<4xf32>
  %y = lowbit.conv %x, %w params(%m, %r) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32, %r0: i8):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    %other = arith.uitofp %r0 : i8 to f32
    %y = arith.addf %scaled, %other : f32
    %code = lowbit.round %y {low = 0 : i32, high = 1 : i32, zero = 0 : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x1x8xi8>, tensor<4x1x1xi8>, (tensor<4xf32>, tensor<1x4x8xi8>) -> tensor<1x4x8xi8>
  return %y : tensor<1x4x8xi8>
}

// -----

// A factor that is not known.
// CHECK-LABEL: func.func @unknown_factor
// CHECK-NOT:     arith.cmpi
// CHECK:         lowbit.round
// CHECK-NOT:     arith.cmpi
// CHECK:         return
func.func @unknown_factor(%x: tensor<1x1x8xi8>, %p: tensor<4xf32>) -> tensor<1x4x8xi8> {
  %w = arith.constant dense<1> : tensor<4x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<4xf32>
  %y = lowbit.conv %x, %w params(%p) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %y = arith.mulf %real, %m0 : f32
    %code = lowbit.round %y {low = 0 : i32, high = 1 : i32, zero = 0 : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x1x8xi8>, tensor<4x1x1xi8>, (tensor<4xf32>) -> tensor<1x4x8xi8>
  return %y : tensor<1x4x8xi8>
}

// -----

// A square falls and rises.
// CHECK-LABEL: func.func @not_monotone
// CHECK-NOT:     arith.cmpi
// CHECK:         lowbit.round
// CHECK-NOT:     arith.cmpi
// CHECK:         return
func.func @not_monotone(%x: tensor<1x1x8xi8>) -> tensor<1x4x8xi8> {
  %w = arith.constant dense<1> : tensor<4x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<4xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %y = arith.mulf %real, %real : f32
    %code = lowbit.round %y {low = 0 : i32, high = 1 : i32, zero = 0 : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x1x8xi8>, tensor<4x1x1xi8>, (tensor<4xf32>) -> tensor<1x4x8xi8>
  return %y : tensor<1x4x8xi8>
}

// -----

// A difference of two that rise, of which nothing is known.
// CHECK-LABEL: func.func @against_each_other
// CHECK-NOT:     arith.cmpi
// CHECK:         lowbit.round
// CHECK-NOT:     arith.cmpi
// CHECK:         return
func.func @against_each_other(%x: tensor<1x1x8xi8>) -> tensor<1x4x8xi8> {
  %w = arith.constant dense<1> : tensor<4x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<4xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    %y = arith.subf %real, %scaled : f32
    %code = lowbit.round %y {low = 0 : i32, high = 1 : i32, zero = 0 : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x1x8xi8>, tensor<4x1x1xi8>, (tensor<4xf32>) -> tensor<1x4x8xi8>
  return %y : tensor<1x4x8xi8>
}

// -----

// A choice that is no clip (a leaky activation) is not taken apart.
// CHECK-LABEL: func.func @two_branches
// CHECK-NOT:     arith.cmpi
// CHECK:         lowbit.round
// CHECK-NOT:     arith.cmpi
// CHECK:         return
func.func @two_branches(%x: tensor<1x1x8xi8>) -> tensor<1x4x8xi8> {
  %w = arith.constant dense<1> : tensor<4x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<4xf32>
  %none = arith.constant 0.0 : f32
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    %positive = arith.cmpf ogt, %real, %none : f32
    %y = arith.select %positive, %real, %scaled : f32
    %code = lowbit.round %y {low = 0 : i32, high = 1 : i32, zero = 0 : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x1x8xi8>, tensor<4x1x1xi8>, (tensor<4xf32>) -> tensor<1x4x8xi8>
  return %y : tensor<1x4x8xi8>
}

// -----

// A divisor that changes its sign.
// CHECK-LABEL: func.func @reciprocal
// CHECK-NOT:     arith.cmpi
// CHECK:         lowbit.round
// CHECK-NOT:     arith.cmpi
// CHECK:         return
func.func @reciprocal(%x: tensor<1x1x8xi8>) -> tensor<1x4x8xi8> {
  %w = arith.constant dense<1> : tensor<4x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<4xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %y = arith.divf %m0, %real : f32
    %code = lowbit.round %y {low = 0 : i32, high = 1 : i32, zero = 0 : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x1x8xi8>, tensor<4x1x1xi8>, (tensor<4xf32>) -> tensor<1x4x8xi8>
  return %y : tensor<1x4x8xi8>
}

// -----

// An infinity is no end to search from: 1e38 times 255.
// CHECK-LABEL: func.func @overflow
// CHECK-NOT:     arith.cmpi
// CHECK:         lowbit.round
// CHECK-NOT:     arith.cmpi
// CHECK:         return
func.func @overflow(%x: tensor<1x1x8xi8>) -> tensor<1x4x8xi8> {
  %w = arith.constant dense<1> : tensor<4x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<4xf32>
  %large = arith.constant 1.0e38 : f32
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %y = arith.mulf %real, %large : f32
    %code = lowbit.round %y {low = 0 : i32, high = 1 : i32, zero = 0 : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x1x8xi8>, tensor<4x1x1xi8>, (tensor<4xf32>) -> tensor<1x4x8xi8>
  return %y : tensor<1x4x8xi8>
}

// -----

// The sums fill int32, where no threshold is beyond them all.
// CHECK-LABEL: func.func @no_room
// CHECK-NOT:     arith.cmpi
// CHECK:         lowbit.round
// CHECK-NOT:     arith.cmpi
// CHECK:         return
func.func @no_room(%x: tensor<1x1x8xi8>) -> tensor<1x4x8xi8> {
  %w = arith.constant dense<1> : tensor<4x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<4xf32>
  %h = arith.constant dense<0.0> : tensor<4xf32>
  %y = lowbit.conv %x, %w params(%m, %h) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = -2147483393 : i32,
      weight_format = #msq.format<signed, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32, %h0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    %y = arith.addf %scaled, %h0 : f32
    %code = lowbit.round %y {low = 0 : i32, high = 1 : i32, zero = 0 : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x1x8xi8>, tensor<4x1x1xi8>, (tensor<4xf32>, tensor<4xf32>) -> tensor<1x4x8xi8>
  return %y : tensor<1x4x8xi8>
}

// -----

// A code that is not rounded here, a table's for example, stays; so does a result in reals.
// CHECK-LABEL: func.func @other_results
// CHECK-NOT:     arith.cmpi
// CHECK:         lowbit.yield %{{.+}}, %{{.+}} : i8, f32
func.func @other_results(%x: tensor<1x1x8xi8>) -> (tensor<1x4x8xi8>, tensor<1x4x8xf32>) {
  %w = arith.constant dense<1> : tensor<4x1x1xi8>
  %y:2 = lowbit.conv %x, %w params() attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32):
    %byte = arith.trunci %acc : i32 to i8
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %byte, %real : i8, f32
  } : tensor<1x1x8xi8>, tensor<4x1x1xi8> -> tensor<1x4x8xi8>, tensor<1x4x8xf32>
  return %y#0, %y#1 : tensor<1x4x8xi8>, tensor<1x4x8xf32>
}

// -----

// What reads the code does not matter: it is doubled here, and made a real.
// CHECK-LABEL: func.func @read_again
// CHECK:         %[[REACHED:.+]] = arith.cmpi sge
// CHECK-NEXT:    %[[STEP:.+]] = arith.extui %[[REACHED]] : i1 to i32
// CHECK-NEXT:    %[[CODE:.+]] = arith.trunci %[[STEP]] : i32 to i8
// CHECK-NEXT:    %[[DOUBLE:.+]] = arith.addi %[[CODE]], %[[CODE]] : i8
// CHECK-NEXT:    %[[REAL:.+]] = arith.uitofp %[[CODE]] : i8 to f32
// CHECK-NEXT:    lowbit.yield %[[DOUBLE]], %[[REAL]] : i8, f32
func.func @read_again(%x: tensor<1x1x8xi8>) -> (tensor<1x4x8xi8>, tensor<1x4x8xf32>) {
  %w = arith.constant dense<1> : tensor<4x1x1xi8>
  %y:2 = lowbit.conv %x, %w params() attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    %code = lowbit.round %real {low = 0 : i32, high = 1 : i32, zero = 0 : i32} : f32
    %double = arith.addi %code, %code : i8
    %back = arith.uitofp %code : i8 to f32
    lowbit.yield %double, %back : i8, f32
  } : tensor<1x1x8xi8>, tensor<4x1x1xi8> -> tensor<1x4x8xi8>, tensor<1x4x8xf32>
  return %y#0, %y#1 : tensor<1x4x8xi8>, tensor<1x4x8xf32>
}

// -----

// The sum of `odd` codes is 2 acc - z: half of it is at least 1 from 2 on (z = 2) or -1 on (z = -4).
// CHECK-LABEL: func.func @odd_input
// CHECK-DAG:     %[[FIRST:.+]] = arith.constant dense<[2, -1]> : tensor<2xi32>
// CHECK-DAG:     %[[SECOND:.+]] = arith.constant dense<[3, 0]> : tensor<2xi32>
// CHECK:         lowbit.conv %{{.+}}, %{{.+}} params(%[[FIRST]], %[[SECOND]])
// CHECK-NOT:     arith.addi
// CHECK:         arith.cmpi sge
// CHECK-NOT:     arith.sitofp
// CHECK:         return
func.func @odd_input(%x: tensor<1x1x8xi8>) -> tensor<1x2x8xi8> {
  %w = arith.constant dense<[[[1]], [[-2]]]> : tensor<2x1x1xi8>
  %zeros = arith.constant dense<[2, -4]> : tensor<2xi32>
  %y = lowbit.conv %x, %w params(%zeros) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %zero: i32):
    %twice = arith.addi %acc, %acc : i32
    %exact = arith.subi %twice, %zero : i32
    %real = arith.sitofp %exact : i32 to f32
    %half = arith.constant 0.5 : f32
    %scaled = arith.mulf %real, %half : f32
    %code = lowbit.round %scaled {low = 0 : i32, high = 2 : i32, zero = 0 : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x1x8xi8>, tensor<2x1x1xi8>, (tensor<2xi32>) -> tensor<1x2x8xi8>
  return %y : tensor<1x2x8xi8>
}
