// RUN: anybit-opt %s --anybit-stage-schedule=target=x86-64-v4,+avx512vnni,+avx512vbmi --anybit-stage-kernels=target=x86-64-v4,+avx512vnni,+avx512vbmi | FileCheck %s

// VPERMB takes six bits of each byte: the bits of other weights above the index need no mask, as the table repeats.
// CHECK-LABEL: func.func @conv_dot4
// CHECK:           %[[SHIFTED:.+]] = arith.shrui %{{.+}} : vector<16xi32>
// CHECK-NEXT:      %[[FIELDS:.+]] = vector.bitcast %[[SHIFTED]] : vector<16xi32> to vector<64xi8>
// CHECK-NEXT:      %[[TABLE:.+]] = arith.constant dense<[-1, 1, -1, 1, -1,
// CHECK-NEXT:      %[[WEIGHTS:.+]] = llvm.call_intrinsic "llvm.x86.avx512.permvar.qi.512"(%[[TABLE]], %[[FIELDS]])
// CHECK:           llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.+}}, %{{.+}}, %[[WEIGHTS]])
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
