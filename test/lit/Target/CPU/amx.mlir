// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule='target=sapphirerapids kernel=amx:2' --anybit-stage-kernels=target=sapphirerapids | FileCheck %s
// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule='target=sapphirerapids kernel=amx:1' --anybit-stage-kernels=target=sapphirerapids | FileCheck %s --check-prefix=NARROW
// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule=target=sapphirerapids --anybit-stage-kernels=target=sapphirerapids | FileCheck %s --check-prefix=COST
// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule=target=sapphirerapids,-amx-int8 --anybit-stage-kernels=target=sapphirerapids,-amx-int8 | FileCheck %s --check-prefix=VECTORS

// Two tiles of positions by two of columns: codes are read in place (16 positions, 64 bytes apart), weights in the order
// of dot4 (128 bytes a step of four values). Rows that are done are written between products; then the next units' lines
// are fetched. What remains of the last unit is written at the end.
// CHECK-LABEL: func.func @conv_amx
// CHECK-SAME:    %[[SCRATCH:[^ ]+]]: !llvm.ptr)
// CHECK:         llvm.store %{{.+}}, %[[SCRATCH]] {{.+}} : vector<64xi8>, !llvm.ptr
// CHECK:         llvm.call_intrinsic "llvm.x86.ldtilecfg"(%[[SCRATCH]])
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.tilezero"
// CHECK:         llvm.call_intrinsic "llvm.x86.tileloadd64"(%{{.+}}, %[[WEIGHTS:.+]], %{{.+}}) : (i8, !llvm.ptr, i64) -> ()
// CHECK:         llvm.getelementptr %[[WEIGHTS]][64]
// CHECK:         llvm.call_intrinsic "llvm.x86.tileloadd64"
// CHECK:         llvm.call_intrinsic "llvm.x86.tileloadd64"
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.tdpbusd"
// CHECK:         llvm.call_intrinsic "llvm.x86.tileloadd64"
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.tdpbusd"
// CHECK:         scf.for
// CHECK:         llvm.store {{.+}} vector<16xf32>
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.tilestored64"
// CHECK:         llvm.store {{.+}} vector<16xf32>
// CHECK:         llvm.call_intrinsic "llvm.x86.tilerelease"()
// VECTORS-LABEL: func.func @conv_dot4
// VECTORS-NOT:   tdpbusd
func.func @bytes(%x: tensor<1x64x20x20xi8>) -> tensor<1x32x18x18xf32> attributes {anybit.candidate = "w8"} {
  %w = arith.constant dense<1> : tensor<32x64x3x3xi8>
  %y = lowbit.conv %x, %w params() attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 3, 3>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 8>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  } : tensor<1x64x20x20xi8>, tensor<32x64x3x3xi8> -> tensor<1x32x18x18xf32>
  return %y : tensor<1x32x18x18xf32>
}

// -----

// 49 positions are four tiles, which one tile of columns at a time multiplies: every weight is read once. Narrow ones are
// expanded four tiles ahead into a ring of eight, 8 KiB behind the sums.
// NARROW-LABEL: plan.variant @narrow
// NARROW:       func.func @conv_amx
// NARROW-SAME:    anybit.scratch_bytes = 11584 : i64
// NARROW:         llvm.call_intrinsic "llvm.x86.ldtilecfg"
// NARROW:         vector.shuffle
// NARROW:         llvm.call_intrinsic "llvm.x86.avx512.permvar.qi.512"
// NARROW:         llvm.store {{.+}} : vector<64xi8>
// NARROW-COUNT-4: llvm.call_intrinsic "llvm.x86.tilezero"
// NARROW:         llvm.call_intrinsic "llvm.x86.tileloadd64"
// NARROW:         llvm.call_intrinsic "llvm.x86.tileloadd64"
// NARROW:         llvm.call_intrinsic "llvm.x86.tdpbusd"
// NARROW:         llvm.call_intrinsic "llvm.x86.tileloadd64"
// NARROW:         llvm.call_intrinsic "llvm.x86.tdpbusd"
// NARROW:         llvm.call_intrinsic "llvm.x86.tileloadd64"
// NARROW:         llvm.call_intrinsic "llvm.x86.tdpbusd"
// NARROW:         llvm.call_intrinsic "llvm.x86.tileloadd64"
// NARROW:         llvm.call_intrinsic "llvm.x86.tdpbusd"
// NARROW-COUNT-4: llvm.call_intrinsic "llvm.x86.tilestored64"
func.func @narrow(%x: tensor<1x256x7x7xi8>) -> tensor<1x64x7x7xf32> attributes {anybit.candidate = "w4"} {
  %w = arith.constant dense<1> : tensor<64x256x1x1xi8>
  %y = lowbit.conv %x, %w params() attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  } : tensor<1x256x7x7xi8>, tensor<64x256x1x1xi8> -> tensor<1x64x7x7xf32>
  return %y : tensor<1x64x7x7xf32>
}

// -----

// A matrix-vector product has one row: vectors take less time.
// COST-LABEL: plan.variant @vector
// COST:         func.func @conv_dot4
// COST-NOT:     tdpbusd
func.func @vector(%x: tensor<1x256x1x1xi8>) -> tensor<1x64x1x1xf32> attributes {anybit.candidate = "w8"} {
  %w = arith.constant dense<1> : tensor<64x256x1x1xi8>
  %y = lowbit.conv %x, %w params() attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 8>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  } : tensor<1x256x1x1xi8>, tensor<64x256x1x1xi8> -> tensor<1x64x1x1xf32>
  return %y : tensor<1x64x1x1xf32>
}
