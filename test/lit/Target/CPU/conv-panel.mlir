// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule="target=x86-64-v4,+avx512vnni narrow-weights" --anybit-stage-kernels=target=x86-64-v4,+avx512vnni | FileCheck %s

// Many tiles share a block of narrow weights: a panel in scratch memory holds them as bytes, 9 * 4 steps of 64. The
// tiles multiply what they read there.
// CHECK-LABEL: func.func @conv_dot4
// CHECK-SAME:    %[[SCRATCH:[^ ]+]]: !llvm.ptr) attributes {{{.*}}anybit.scratch_bytes = 2304 : i64
// CHECK:         arith.addi %{{.+}}, %{{.+}} : vector<64xi8>
// CHECK:         llvm.store %{{.+}}, %{{.+}} : vector<64xi8>, !llvm.ptr
// CHECK:         llvm.getelementptr %[[SCRATCH]][
// CHECK:         llvm.load %{{.+}} : !llvm.ptr -> vector<64xi8>
// CHECK-NOT:     arith.addi %{{.+}}, %{{.+}} : vector<64xi8>
// CHECK:         llvm.x86.avx512.vpdpbusd.512
func.func @many(%x: tensor<1x16x10x10xi8>) -> tensor<1x16x8x8xf32> attributes {anybit.candidate = "many"} {
  %w = arith.constant dense<1> : tensor<16x16x3x3xi8>
  %y = lowbit.conv %x, %w params() attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 3, 3>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  } : tensor<1x16x10x10xi8>, tensor<16x16x3x3xi8> -> tensor<1x16x8x8xf32>
  return %y : tensor<1x16x8x8xf32>
}

// -----

// One tile widens in registers: reading fewer bytes is what counts.
// CHECK-LABEL: func.func @conv_dot4
// CHECK-NOT:     anybit.scratch_bytes
// CHECK-NOT:     llvm.store %{{.+}} : vector<64xi8>
// CHECK:         arith.addi %{{.+}}, %{{.+}} : vector<64xi8>
// CHECK:         llvm.x86.avx512.vpdpbusd.512
func.func @one(%x: tensor<1x16x3x3xi8>) -> tensor<1x16x1x1xf32> attributes {anybit.candidate = "one"} {
  %w = arith.constant dense<1> : tensor<16x16x3x3xi8>
  %y = lowbit.conv %x, %w params() attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 3, 3>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  } : tensor<1x16x3x3xi8>, tensor<16x16x3x3xi8> -> tensor<1x16x1x1xf32>
  return %y : tensor<1x16x1x1xf32>
}
