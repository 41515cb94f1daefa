// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule=target=x86-64-v4,+avx512vnni --anybit-stage-kernels=target=x86-64-v4,+avx512vnni | FileCheck %s

// Weights of less than a byte are unpacked in registers: position p of a step lies in byte p % U, field p / U, where U is
// the bytes of a step (weights.h); then the index becomes the weight (numerics N2).

// Two fields of 4 bits in 32 bytes; signed: q' - 8.
// CHECK-LABEL: func.func @conv_dot4
// CHECK:         scf.for %[[STEP:.+]] = %{{.+}} to %{{.+}} step %{{.+}} iter_args(%[[SUM:.+]] = %{{.+}}) -> (vector<16xi32>)
// CHECK:           %[[BYTES:.+]] = arith.constant 32 : i64
// CHECK-NEXT:      %[[OFFSET:.+]] = arith.muli %[[STEP]], %[[BYTES]] : i64
// CHECK:           %[[AT:.+]] = llvm.getelementptr %{{.+}}[%[[OFFSET]]]
// CHECK:           %[[STORED:.+]] = llvm.load %[[AT]] {{.+}} : !llvm.ptr -> vector<8xi32>
// CHECK-NEXT:      %[[REPEATED:.+]] = vector.shuffle %[[STORED]], %[[STORED]] [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7] : vector<8xi32>, vector<8xi32>
// CHECK-NEXT:      %[[SHIFTS:.+]] = arith.constant dense<[0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 4, 4, 4, 4, 4, 4]> : vector<16xi32>
// CHECK-NEXT:      %[[SHIFTED:.+]] = arith.shrui %[[REPEATED]], %[[SHIFTS]] : vector<16xi32>
// CHECK-NEXT:      %[[FIELDS:.+]] = vector.bitcast %[[SHIFTED]] : vector<16xi32> to vector<64xi8>
// CHECK-NEXT:      %[[MASK:.+]] = arith.constant dense<15> : vector<64xi8>
// CHECK-NEXT:      %[[INDICES:.+]] = arith.andi %[[FIELDS]], %[[MASK]] : vector<64xi8>
// CHECK-NEXT:      %[[MIDDLE:.+]] = arith.constant dense<-8> : vector<64xi8>
// CHECK-NEXT:      %[[WEIGHTS:.+]] = arith.addi %[[INDICES]], %[[MIDDLE]] : vector<64xi8>
// CHECK:           llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%[[SUM]], %{{.+}}, %[[WEIGHTS]])
func.func @w4(%x: tensor<1x8x1x1xi8>) -> tensor<1x16x1x1xf32> attributes {anybit.candidate = "w4"} {
  %w = arith.constant dense<1> : tensor<16x8x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<16xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    lowbit.yield %scaled : f32
  } : tensor<1x8x1x1xi8>, tensor<16x8x1x1xi8>, (tensor<16xf32>) -> tensor<1x16x1x1xf32>
  return %y : tensor<1x16x1x1xf32>
}

// -----

// Four fields of 2 bits in 16 bytes; odd: 2q - 3, looked up.
// CHECK-LABEL: func.func @conv_dot4
// CHECK:         scf.for %[[STEP:.+]] = %{{.+}} to %{{.+}} step %{{.+}} iter_args(%[[SUM:.+]] = %{{.+}}) -> (vector<16xi32>)
// CHECK:           %[[BYTES:.+]] = arith.constant 16 : i64
// CHECK-NEXT:      %[[OFFSET:.+]] = arith.muli %[[STEP]], %[[BYTES]] : i64
// CHECK:           %[[AT:.+]] = llvm.getelementptr %{{.+}}[%[[OFFSET]]]
// CHECK:           %[[STORED:.+]] = llvm.load %[[AT]] {{.+}} : !llvm.ptr -> vector<4xi32>
// CHECK-NEXT:      %[[REPEATED:.+]] = vector.shuffle %[[STORED]], %[[STORED]] [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3] : vector<4xi32>, vector<4xi32>
// CHECK-NEXT:      %[[SHIFTS:.+]] = arith.constant dense<[0, 0, 0, 0, 2, 2, 2, 2, 4, 4, 4, 4, 6, 6, 6, 6]> : vector<16xi32>
// CHECK-NEXT:      %[[SHIFTED:.+]] = arith.shrui %[[REPEATED]], %[[SHIFTS]] : vector<16xi32>
// CHECK-NEXT:      %[[FIELDS:.+]] = vector.bitcast %[[SHIFTED]] : vector<16xi32> to vector<64xi8>
// CHECK-NEXT:      %[[MASK:.+]] = arith.constant dense<3> : vector<64xi8>
// CHECK-NEXT:      %[[INDICES:.+]] = arith.andi %[[FIELDS]], %[[MASK]] : vector<64xi8>
// CHECK-NEXT:      %[[TABLE:.+]] = arith.constant dense<[-3, -1, 1, 3, -3, -1, 1, 3, -3,
// CHECK-NEXT:      %[[WEIGHTS:.+]] = llvm.call_intrinsic "llvm.x86.avx512.pshuf.b.512"(%[[TABLE]], %[[INDICES]])
// CHECK:           llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%[[SUM]], %{{.+}}, %[[WEIGHTS]])
func.func @w2(%x: tensor<1x8x1x1xi8>) -> tensor<1x16x1x1xf32> attributes {anybit.candidate = "w2"} {
  %w = arith.constant dense<1> : tensor<16x8x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<16xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32,
      weight_format = #msq.format<odd, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    lowbit.yield %scaled : f32
  } : tensor<1x8x1x1xi8>, tensor<16x8x1x1xi8>, (tensor<16xf32>) -> tensor<1x16x1x1xf32>
  return %y : tensor<1x16x1x1xf32>
}

// -----

// 3 bits are stored in 4; unsigned: q - z.
// CHECK-LABEL: func.func @conv_dot4
// CHECK:           %[[MASK:.+]] = arith.constant dense<15> : vector<64xi8>
// CHECK:           %[[ZERO:.+]] = arith.constant dense<-5> : vector<64xi8>
// CHECK-NEXT:      %[[WEIGHTS:.+]] = arith.addi %{{.+}}, %[[ZERO]] : vector<64xi8>
// CHECK:           llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.+}}, %{{.+}}, %[[WEIGHTS]])
func.func @w3(%x: tensor<1x8x1x1xi8>) -> tensor<1x16x1x1xf32> attributes {anybit.candidate = "w3"} {
  %w = arith.constant dense<1> : tensor<16x8x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<16xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32,
      weight_format = #msq.format<unsigned, 3>, weight_zero = 5 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    lowbit.yield %scaled : f32
  } : tensor<1x8x1x1xi8>, tensor<16x8x1x1xi8>, (tensor<16xf32>) -> tensor<1x16x1x1xf32>
  return %y : tensor<1x16x1x1xf32>
}
