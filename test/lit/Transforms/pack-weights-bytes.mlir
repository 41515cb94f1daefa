// RUN: anybit-opt %s --pass-pipeline='builtin.module(func.func(anybit-pack-weights{target=sapphirerapids}))' | FileCheck %s
// RUN: anybit-opt %s --pass-pipeline='builtin.module(func.func(anybit-pack-weights{target=sapphirerapids narrow-weights}))' | FileCheck %s --check-prefix=NARROW
// RUN: anybit-opt %s --pass-pipeline='builtin.module(func.func(anybit-pack-weights{target=sapphirerapids kernel=amx:2}))' | FileCheck %s --check-prefix=TILES
// RUN: anybit-opt %s --pass-pipeline='builtin.module(func.func(anybit-pack-weights{target=sapphirerapids kernel=dot4:2:bytes}))' | FileCheck %s --check-prefix=BYTES
// RUN: anybit-opt %s --pass-pipeline='builtin.module(func.func(anybit-pack-weights{target=x86-64-v3 kernel=dot4:2:bytes}))' | FileCheck %s --check-prefix=PAIRS
// RUN: not anybit-opt %s --pass-pipeline='builtin.module(func.func(anybit-pack-weights{target=sapphirerapids kernel=amx:2:words}))' 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: error: unknown storage of weights 'words', expected bytes

// Where widening four bits takes longer than reading bytes, the weights are stored as bytes; not if few bytes are wanted,
// nor for a family that is wanted without them. At AVX2, where products of narrow weights are faster, there is no such
// choice, and the wish is passed over.
// CHECK-LABEL: func.func @widened
// CHECK-DAG:     #lowbit.packed<amx, columns = {{16|32}}, bits = 8,
// CHECK-DAG:     lowbit.choice = #lowbit.choice<amx, vectors = {{[12]}}, bytes = true, {{.*}}"amx:{{[12]}}:bytes {{.+}} ms
// NARROW-LABEL: func.func @widened
// NARROW:       #lowbit.packed<{{.+}}, bits = 4,
// TILES-LABEL: func.func @widened
// TILES-DAG:   #lowbit.packed<amx, columns = 32, bits = 4,
// TILES-DAG:   lowbit.choice = #lowbit.choice<amx, vectors = 2, {{.*}}"amx:2, forced">
// BYTES-LABEL: func.func @widened
// BYTES-DAG:   #lowbit.packed<dot4, columns = 32, bits = 8,
// BYTES-DAG:   lowbit.choice = #lowbit.choice<dot4, vectors = 2, bytes = true, {{.*}}"dot4:2:bytes, forced">
// PAIRS-LABEL: func.func @widened
// PAIRS:       #lowbit.packed<dot4, {{.+}}, bits = 4,
func.func @widened(%x: tensor<1x64x58x58xi8>) -> tensor<1x64x56x56xf32> {
  %w = arith.constant dense<1> : tensor<64x64x3x3xi8>
  %y = lowbit.conv %x, %w params() attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 3, 3>, input_zero = 0 : i32, input_high = 255 : i32,
      weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  } : tensor<1x64x58x58xi8>, tensor<64x64x3x3xi8> -> tensor<1x64x56x56xf32>
  return %y : tensor<1x64x56x56xf32>
}

// Products with a vector read their weights once: few bytes win.
// CHECK-LABEL: func.func @vector
// CHECK:         #lowbit.packed<{{.+}}, bits = 4,
func.func @vector(%x: tensor<1x4096x1x1xi8>) -> tensor<1x4096x1x1xf32> {
  %w = arith.constant dense<1> : tensor<4096x4096x1x1xi8>
  %y = lowbit.conv %x, %w params() attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32, input_high = 255 : i32,
      weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  } : tensor<1x4096x1x1xi8>, tensor<4096x4096x1x1xi8> -> tensor<1x4096x1x1xf32>
  return %y : tensor<1x4096x1x1xf32>
}
