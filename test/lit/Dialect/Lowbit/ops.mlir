// RUN: anybit-opt %s | anybit-opt | FileCheck %s
// RUN: anybit-opt %s --mlir-print-op-generic | anybit-opt | FileCheck %s
// RUN: anybit-opt %s --emit-bytecode | anybit-opt | FileCheck %s

// Every op and attribute survives text, generic text and bytecode.

// The example of the op's description.
// CHECK-LABEL: func.func @requantization
// CHECK-SAME:    (%[[X:.+]]: tensor<1x16x8x8xi8>, %[[W:.+]]: tensor<16x16x3x3xi8>, %[[M:.+]]: tensor<16xf32>, %[[H:.+]]: tensor<16xf32>)
// CHECK-NEXT:    %[[Y:.+]] = lowbit.conv %[[X]], %[[W]] params(%[[M]], %[[H]])
// CHECK-SAME:      attributes {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32}
// CHECK-NEXT:    ^bb0(%[[ACC:.+]]: i32, %[[M0:.+]]: f32, %[[H0:.+]]: f32):
// CHECK-NEXT:      %[[REAL:.+]] = arith.sitofp %[[ACC]] : i32 to f32
// CHECK-NEXT:      %[[SCALED:.+]] = arith.mulf %[[REAL]], %[[M0]] : f32
// CHECK-NEXT:      %[[SHIFTED:.+]] = arith.addf %[[SCALED]], %[[H0]] : f32
// CHECK-NEXT:      %[[CODE:.+]] = lowbit.round %[[SHIFTED]] {high = 15 : i32, low = 0 : i32, zero = 0 : i32} : f32
// CHECK-NEXT:      lowbit.yield %[[CODE]] : i8
// CHECK-NEXT:    } : tensor<1x16x8x8xi8>, tensor<16x16x3x3xi8>, (tensor<16xf32>, tensor<16xf32>) -> tensor<1x16x8x8xi8>
// CHECK-NEXT:    return %[[Y]]
func.func @requantization(%x: tensor<1x16x8x8xi8>, %w: tensor<16x16x3x3xi8>, %m: tensor<16xf32>, %h: tensor<16xf32>)
    -> tensor<1x16x8x8xi8> {
  %y = lowbit.conv %x, %w params(%m, %h) attributes {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 3, 3>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32, %h0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    %shifted = arith.addf %scaled, %h0 : f32
    %code = lowbit.round %shifted {low = 0 : i32, high = 15 : i32, zero = 0 : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x16x8x8xi8>, tensor<16x16x3x3xi8>, (tensor<16xf32>, tensor<16xf32>) -> tensor<1x16x8x8xi8>
  return %y : tensor<1x16x8x8xi8>
}

// After packing the weights are bytes with a layout, accumulators start at `initial`, and per-channel parameters are
// padded past the last channel.
// CHECK-LABEL: func.func @packed
// CHECK-SAME:    %[[W:[^ ]+]]: tensor<2304xi8, #lowbit.packed<dot4, columns = 16, bits = 4, taps = 3, planes = 1>>
// CHECK-SAME:    %[[INITIAL:[^ ]+]]: tensor<16xi32>
// CHECK:         lowbit.conv %{{.+}}, %[[W]] initial(%[[INITIAL]] : tensor<16xi32>) params(%{{.+}}, %{{.+}})
// CHECK:         : tensor<1x3x8x8xi8>, tensor<2304xi8, #lowbit.packed<dot4, columns = 16, bits = 4, taps = 3, planes = 1>>, (tensor<128xf32>, tensor<128xf32>) -> tensor<1x10x8x8xi8>
func.func @packed(%x: tensor<1x3x8x8xi8>,
                  %w: tensor<2304xi8, #lowbit.packed<dot4, columns = 16, bits = 4, taps = 3, planes = 1>>,
                  %initial: tensor<16xi32>, %m: tensor<128xf32>, %h: tensor<128xf32>) -> tensor<1x10x8x8xi8> {
  %y = lowbit.conv %x, %w initial(%initial : tensor<16xi32>) params(%m, %h) attributes {strides = array<i64: 1, 1>,
      pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 3, 3>,
      input_zero = 128 : i32, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32, %h0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %code = lowbit.round %real {low = 0 : i32, high = 15 : i32, zero = 0 : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x3x8x8xi8>, tensor<2304xi8, #lowbit.packed<dot4, columns = 16, bits = 4, taps = 3, planes = 1>>,
      (tensor<128xf32>, tensor<128xf32>) -> tensor<1x10x8x8xi8>
  return %y : tensor<1x10x8x8xi8>
}

// CHECK-LABEL: func.func @families
// CHECK-SAME:    tensor<8xi8, #lowbit.packed<depthwise, columns = 8, bits = 8, taps = 1, planes = 1>>
// CHECK-SAME:    tensor<8xf32, #lowbit.packed<real, columns = 8, bits = 32, taps = 1, planes = 1>>
func.func @families(%a: tensor<8xi8, #lowbit.packed<depthwise, columns = 8, bits = 8, taps = 1, planes = 1>>,
                    %b: tensor<8xf32, #lowbit.packed<real, columns = 8, bits = 32, taps = 1, planes = 1>>) {
  return
}

// A real layer: float32 accumulator, no format, one dimension, groups.
// CHECK-LABEL: func.func @real_1d
// CHECK:         lowbit.conv %{{.+}}, %{{.+}} params(%{{.+}})
// CHECK-SAME:      attributes {dilations = array<i64: 2>, groups = 2 : i64, input_zero = 0 : i32, kernel = array<i64: 3>, pads = array<i64: 2, 2>, strides = array<i64: 1>, weight_zero = 0 : i32}
// CHECK-NEXT:    ^bb0(%[[ACC:.+]]: f32, %[[BIAS:.+]]: f32):
// CHECK-NEXT:      %[[SUM:.+]] = arith.addf %[[ACC]], %[[BIAS]] : f32
// CHECK-NEXT:      lowbit.yield %[[SUM]] : f32
// CHECK-NEXT:    } : tensor<1x6x20xf32>, tensor<4x3x3xf32>, (tensor<4xf32>) -> tensor<1x4x20xf32>
func.func @real_1d(%x: tensor<1x6x20xf32>, %w: tensor<4x3x3xf32>, %bias: tensor<4xf32>) -> tensor<1x4x20xf32> {
  %y = lowbit.conv %x, %w params(%bias) attributes {strides = array<i64: 1>, pads = array<i64: 2, 2>,
      dilations = array<i64: 2>, groups = 2 : i64, kernel = array<i64: 3>, input_zero = 0 : i32,
      weight_zero = 0 : i32} {
  ^bb0(%acc: f32, %b: f32):
    %sum = arith.addf %acc, %b : f32
    lowbit.yield %sum : f32
  } : tensor<1x6x20xf32>, tensor<4x3x3xf32>, (tensor<4xf32>) -> tensor<1x4x20xf32>
  return %y : tensor<1x4x20xf32>
}

// A residual is a parameter per element; a sum that two readers want is two results.
// CHECK-LABEL: func.func @residual
// CHECK:         %[[Y:.+]]:2 = lowbit.conv
// CHECK:           lowbit.yield %{{.+}}, %{{.+}} : i8, f32
// CHECK-NEXT:    } : tensor<1x4x8x8xi8>, tensor<4x4x1x1xi8>, (tensor<1x4x8x8xi8>) -> tensor<1x4x8x8xi8>, tensor<1x4x8x8xf32>
// CHECK-NEXT:    return %[[Y]]#0, %[[Y]]#1
func.func @residual(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x1x1xi8>, %r: tensor<1x4x8x8xi8>)
    -> (tensor<1x4x8x8xi8>, tensor<1x4x8x8xf32>) {
  %code, %sum = lowbit.conv %x, %w params(%r) attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32,
      weight_format = #msq.format<odd, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %r0: i8):
    %other = arith.extui %r0 : i8 to i32
    %total = arith.addi %acc, %other : i32
    %real = arith.sitofp %total : i32 to f32
    %next = lowbit.round %real {low = 0 : i32, high = 255 : i32, zero = 128 : i32} : f32
    lowbit.yield %next, %real : i8, f32
  } : tensor<1x4x8x8xi8>, tensor<4x4x1x1xi8>, (tensor<1x4x8x8xi8>) -> tensor<1x4x8x8xi8>, tensor<1x4x8x8xf32>
  return %code, %sum : tensor<1x4x8x8xi8>, tensor<1x4x8x8xf32>
}

// Rounding needs no convolution around it: quantizers that stay real use it too.
// CHECK-LABEL: func.func @round
// CHECK-SAME:    (%[[VALUE:.+]]: f32)
// CHECK-NEXT:    lowbit.round %[[VALUE]] {high = 15 : i32, low = 0 : i32, zero = 0 : i32} : f32
// CHECK-NEXT:    lowbit.round %[[VALUE]] {high = 127 : i32, low = -128 : i32, zero = 0 : i32} : f32
func.func @round(%value: f32) -> (i8, i8) {
  %code = lowbit.round %value {low = 0 : i32, high = 15 : i32, zero = 0 : i32} : f32
  %signed = lowbit.round %value {low = -128 : i32, high = 127 : i32, zero = 0 : i32} : f32
  return %code, %signed : i8, i8
}
