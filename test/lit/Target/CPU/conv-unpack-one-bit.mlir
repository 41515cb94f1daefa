// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule=target=x86-64-v4,+avx512vnni --anybit-stage-kernels=target=x86-64-v4,+avx512vnni | FileCheck %s

// Eight fields of 1 bit in 8 bytes, which is less than a byte per column: a step still advances by all of them. Odd: 2q - 1.
// CHECK-LABEL: func.func @conv_dot4
// CHECK:         scf.for %[[STEP:.+]] = %{{.+}} to %{{.+}} step %{{.+}} iter_args(%[[SUM:.+]] = %{{.+}}) -> (vector<16xi32>)
// CHECK:           %[[BYTES:.+]] = arith.constant 8 : i64
// CHECK-NEXT:      %[[OFFSET:.+]] = arith.muli %[[STEP]], %[[BYTES]] : i64
// CHECK:           %[[AT:.+]] = llvm.getelementptr %{{.+}}[%[[OFFSET]]]
// CHECK:           %[[STORED:.+]] = llvm.load %[[AT]] {{.+}} : !llvm.ptr -> vector<2xi32>
// CHECK-NEXT:      %[[REPEATED:.+]] = vector.shuffle %[[STORED]], %[[STORED]] [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1] : vector<2xi32>, vector<2xi32>
// CHECK-NEXT:      %[[SHIFTS:.+]] = arith.constant dense<[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]> : vector<16xi32>
// CHECK-NEXT:      %[[SHIFTED:.+]] = arith.shrui %[[REPEATED]], %[[SHIFTS]] : vector<16xi32>
// CHECK-NEXT:      %[[FIELDS:.+]] = vector.bitcast %[[SHIFTED]] : vector<16xi32> to vector<64xi8>
// CHECK-NEXT:      %[[MASK:.+]] = arith.constant dense<1> : vector<64xi8>
// CHECK-NEXT:      %[[INDICES:.+]] = arith.andi %[[FIELDS]], %[[MASK]] : vector<64xi8>
// CHECK-NEXT:      %[[TABLE:.+]] = arith.constant dense<[-1, 1, -1, 1, -1,
// CHECK-NEXT:      %[[WEIGHTS:.+]] = llvm.call_intrinsic "llvm.x86.avx512.pshuf.b.512"(%[[TABLE]], %[[INDICES]])
// CHECK:           llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%[[SUM]], %{{.+}}, %[[WEIGHTS]])
func.func @w1(%x: tensor<1x8x1x1xi8>) -> tensor<1x16x1x1xf32> attributes {anybit.candidate = "w1"} {
  %w = arith.constant dense<1> : tensor<16x8x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<16xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32,
      weight_format = #msq.format<odd, 1>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    lowbit.yield %scaled : f32
  } : tensor<1x8x1x1xi8>, tensor<16x8x1x1xi8>, (tensor<16xf32>) -> tensor<1x16x1x1xf32>
  return %y : tensor<1x16x1x1xf32>
}
