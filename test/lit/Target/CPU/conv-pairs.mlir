// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule=target=x86-64-v3 | FileCheck %s --check-prefix=PACKED
// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule=target=x86-64-v3 --anybit-stage-kernels=target=x86-64-v3 | FileCheck %s
// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule=target=x86-64-v3,+avxvnni | FileCheck %s --check-prefix=VNNI

// Recipe R9: without VNNI, VPMADDUBSW adds pairs in int16 for as many steps as the weights prove: 255 * (1 + 1) * 64 is
// the last sum that fits. VNNI has no such sums.
// PACKED-LABEL: func.func @ones
// PACKED:         #lowbit.packed<dot4, columns = 8, bits = 8, taps = 1, planes = 1, pair_steps = 64>
// VNNI-LABEL:   func.func @ones
// VNNI:           #lowbit.packed<dot4, columns = 8, bits = 8, taps = 1, planes = 1>

// All 80 steps do not: two parts of 40, each widened by a multiplication with ones.
// CHECK-LABEL: func.func @conv_dot4
// CHECK:         scf.for {{.+}} iter_args({{.+}}) -> (vector<8xi32>)
// CHECK:           %[[ZERO:.+]] = arith.constant dense<0> : vector<16xi16>
// CHECK:           %[[PAIRS:.+]] = scf.for {{.+}} iter_args(%[[CARRIED:.+]] = %[[ZERO]]) -> (vector<16xi16>)
// CHECK:             %[[PRODUCTS:.+]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"(%{{.+}}, %{{.+}}) : (vector<32xi8>, vector<32xi8>) -> vector<16xi16>
// CHECK:             arith.addi %[[CARRIED]], %[[PRODUCTS]] : vector<16xi16>
// CHECK:           %[[ONES:.+]] = arith.constant dense<1> : vector<16xi16>
// CHECK:           llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%[[PAIRS]], %[[ONES]])
func.func @ones(%x: tensor<1x320x1x1xi8>) -> tensor<1x4x1x1xf32> attributes {anybit.candidate = "ones"} {
  %w = arith.constant dense<1> : tensor<4x320x1x1xi8>
  %y = lowbit.conv %x, %w params() attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 8>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  } : tensor<1x320x1x1xi8>, tensor<4x320x1x1xi8> -> tensor<1x4x1x1xf32>
  return %y : tensor<1x4x1x1xf32>
}

// -----

// 255 * (64 + 64) still fits, for one step.
// PACKED-LABEL: func.func @last
// PACKED:         #lowbit.packed<dot4, columns = 8, bits = 8, taps = 1, planes = 1, pair_steps = 1>
// VNNI-LABEL:   func.func @last
// CHECK-LABEL:  func.func @conv_dot4
// CHECK:          "llvm.x86.avx2.pmadd.ub.sw"
func.func @last(%x: tensor<1x8x1x1xi8>) -> tensor<1x4x1x1xf32> attributes {anybit.candidate = "last"} {
  %w = arith.constant dense<-64> : tensor<4x8x1x1xi8>
  %y = lowbit.conv %x, %w params() attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 8>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  } : tensor<1x8x1x1xi8>, tensor<4x8x1x1xi8> -> tensor<1x4x1x1xf32>
  return %y : tensor<1x4x1x1xf32>
}

// -----

// 255 * (65 + 65) does not: the exact form.
// PACKED-LABEL: func.func @first
// PACKED:         #lowbit.packed<dot4, columns = 8, bits = 8, taps = 1, planes = 1>
// VNNI-LABEL:   func.func @first
// CHECK-LABEL:  func.func @conv_dot4
// CHECK-NOT:      pmadd.ub.sw
// CHECK:          "llvm.x86.avx2.pmadd.wd"
func.func @first(%x: tensor<1x8x1x1xi8>) -> tensor<1x4x1x1xf32> attributes {anybit.candidate = "first"} {
  %w = arith.constant dense<65> : tensor<4x8x1x1xi8>
  %y = lowbit.conv %x, %w params() attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 8>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  } : tensor<1x8x1x1xi8>, tensor<4x8x1x1xi8> -> tensor<1x4x1x1xf32>
  return %y : tensor<1x4x1x1xf32>
}

// -----

// Codes of 7 bits leave room for twice the weights. Narrow weights count by the range of their format.
// PACKED-LABEL: func.func @narrow
// PACKED:         #lowbit.packed<dot4, columns = 8, bits = 4, taps = 1, planes = 1, pair_steps = 16>
// VNNI-LABEL:   func.func @narrow
// CHECK-LABEL:  func.func @conv_dot4
func.func @narrow(%x: tensor<1x8x1x1xi8>) -> tensor<1x4x1x1xf32> attributes {anybit.candidate = "narrow"} {
  %w = arith.constant dense<1> : tensor<4x8x1x1xi8>
  %y = lowbit.conv %x, %w params() attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32, input_high = 127 : i32} {
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  } : tensor<1x8x1x1xi8>, tensor<4x8x1x1xi8> -> tensor<1x4x1x1xf32>
  return %y : tensor<1x4x1x1xf32>
}
