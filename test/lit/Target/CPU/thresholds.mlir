// RUN: anybit-opt %s --pass-pipeline='builtin.module(func.func(anybit-requantize-thresholds{compares=3},anybit-pack-weights{target=x86-64-v4}),anybit-plan{target=x86-64-v4})' \
// RUN:   | FileCheck %s

// Integer parameters are padded like real ones, and loaded as integers; compares and their counts are vectors of the
// width of the sums, with one truncation at the end (numerics N5).
// CHECK-COUNT-3: plan.constant @{{.+}} = dense<{{.+}}> : tensor<128xi32>
// CHECK-LABEL: func.func @conv_dot4
// CHECK:         llvm.load %{{.+}} {alignment = 4 : i64} : !llvm.ptr -> vector<16xi32>
// CHECK:         %[[R1:.+]] = arith.cmpi sge, %[[SUM:.+]], %{{.+}} : vector<16xi32>
// CHECK-NEXT:    %[[S1:.+]] = arith.extui %[[R1]] : vector<16xi1> to vector<16xi32>
// CHECK-NEXT:    %[[R2:.+]] = arith.cmpi sge, %[[SUM]], %{{.+}} : vector<16xi32>
// CHECK-NEXT:    %[[S2:.+]] = arith.extui %[[R2]] : vector<16xi1> to vector<16xi32>
// CHECK-NEXT:    %[[TWO:.+]] = arith.addi %[[S1]], %[[S2]] : vector<16xi32>
// CHECK-NEXT:    %[[R3:.+]] = arith.cmpi sge, %[[SUM]], %{{.+}} : vector<16xi32>
// CHECK-NEXT:    %[[S3:.+]] = arith.extui %[[R3]] : vector<16xi1> to vector<16xi32>
// CHECK-NEXT:    %[[COUNT:.+]] = arith.addi %[[TWO]], %[[S3]] : vector<16xi32>
// CHECK-NEXT:    arith.trunci %[[COUNT]] : vector<16xi32> to vector<16xi8>
func.func @w8a2(%x: tensor<1x8x1x1xi8>) -> tensor<1x16x1x1xi8> attributes {anybit.candidate = "w8a2"} {
  %w = arith.constant dense<1> : tensor<16x8x1x1xi8>
  %m = arith.constant dense<0.125> : tensor<16xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 8>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    %code = lowbit.round %scaled {low = 0 : i32, high = 3 : i32, zero = 0 : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x8x1x1xi8>, tensor<16x8x1x1xi8>, (tensor<16xf32>) -> tensor<1x16x1x1xi8>
  return %y : tensor<1x16x1x1xi8>
}
