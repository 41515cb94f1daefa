// RUN: anybit-opt %s --pass-pipeline='builtin.module(func.func(anybit-pack-weights{target=x86-64-v4}))' | FileCheck %s
// RUN: anybit-opt %s --pass-pipeline='builtin.module(func.func(anybit-pack-weights{target=x86-64-v4 kernel=dot4:1}))' | FileCheck %s --check-prefix=ONE
// RUN: anybit-opt %s --pass-pipeline='builtin.module(func.func(anybit-pack-weights{target=x86-64-v4 kernel=dot4}))' | FileCheck %s --check-prefix=FAMILY
// RUN: anybit-opt %s --pass-pipeline='builtin.module(func.func(anybit-pack-weights{target=znver4}))' | FileCheck %s --check-prefix=NEAREST
// RUN: not anybit-opt %s --pass-pipeline='builtin.module(func.func(anybit-pack-weights{target=x86-64-v4 kernel=lut6}))' 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: error: unknown kernel family 'lut6', expected {{.*}}popcount

// One-bit codes are counted or looked up by the table of costs, unless a wish or the op itself says otherwise. The reason stays.
// CHECK-LABEL: func.func @counted
// CHECK-DAG:     #lowbit.packed<table, columns = {{64|128}}, bits = 1,
// CHECK-DAG:     lowbit.choice = #lowbit.choice<table, vectors = {{[48]}}, nanoseconds = {{[1-9][0-9]*}}, "table:{{.+}} ms, popcount:{{.+}} ms, dot4:{{.+}} ms (table x86-64-v4)">
// ONE-LABEL: func.func @counted
// ONE-DAG:     #lowbit.packed<dot4, columns = 16,
// ONE-DAG:     lowbit.choice = #lowbit.choice<dot4, vectors = 1, {{.*}}"dot4:1, forced">
// FAMILY-LABEL: func.func @counted
// FAMILY-DAG:  #lowbit.packed<dot4,
// FAMILY-DAG:  lowbit.choice = #lowbit.choice<dot4, vectors = {{.}}, {{.*}}"dot4:{{.+}} ms (forced, table x86-64-v4)">
// NEAREST-LABEL: func.func @counted
// NEAREST-DAG: lowbit.choice = #lowbit.choice<popcount, vectors = {{.}}, {{.*}}"popcount:{{.+}} ms, {{.*}}dot4:{{.+}} ms{{.*}} (nearest table {{.+}})">
func.func @counted(%x: tensor<1x64x14x14xi8>) -> tensor<1x64x12x12xf32> {
  %w = arith.constant dense<1> : tensor<64x64x3x3xi8>
  %y = lowbit.conv %x, %w params() attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 3, 3>, input_zero = 0 : i32, input_high = 1 : i32,
      weight_format = #msq.format<odd, 1>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  } : tensor<1x64x14x14xi8>, tensor<64x64x3x3xi8> -> tensor<1x64x12x12xf32>
  return %y : tensor<1x64x12x12xf32>
}

// The choice of the op goes before tables and wishes.
// CHECK-LABEL: func.func @given
// CHECK-DAG:     #lowbit.packed<dot4, columns = 16,
// CHECK-DAG:     lowbit.choice = #lowbit.choice<dot4, vectors = 1, "measured">
// ONE-LABEL: func.func @given
// ONE-DAG:     #lowbit.packed<dot4, columns = 16,
func.func @given(%x: tensor<1x64x14x14xi8>) -> tensor<1x64x12x12xf32> {
  %w = arith.constant dense<1> : tensor<64x64x3x3xi8>
  %y = lowbit.conv %x, %w params() attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 3, 3>, input_zero = 0 : i32, input_high = 1 : i32,
      weight_format = #msq.format<odd, 1>, weight_zero = 0 : i32, lowbit.choice = #lowbit.choice<dot4, vectors = 1, "measured">} {
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  } : tensor<1x64x14x14xi8>, tensor<64x64x3x3xi8> -> tensor<1x64x12x12xf32>
  return %y : tensor<1x64x12x12xf32>
}

// A layer of 16 channels has one choice: the wish for something else is passed over.
// CHECK-LABEL: func.func @only
// CHECK:         lowbit.choice = #lowbit.choice<dot4, vectors = 1, {{.*}}"dot4:1, the only choice">
// FAMILY-LABEL: func.func @only
// FAMILY:        lowbit.choice = #lowbit.choice<dot4, vectors = 1, {{.*}}"dot4:1, the only choice">
func.func @only(%x: tensor<1x64x14x14xi8>) -> tensor<1x16x12x12xf32> {
  %w = arith.constant dense<1> : tensor<16x64x3x3xi8>
  %y = lowbit.conv %x, %w params() attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 3, 3>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 8>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  } : tensor<1x64x14x14xi8>, tensor<16x64x3x3xi8> -> tensor<1x16x12x12xf32>
  return %y : tensor<1x16x12x12xf32>
}
