// RUN: anybit-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(anybit-reciprocal-quantizers{target=x86-64-v3}))' | FileCheck %s
// RUN: anybit-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(anybit-reciprocal-quantizers{target=x86-64}))' \
// RUN:   | FileCheck %s --check-prefix=NOFMA

// 1 / 0.3 is 3.33333302, rounded down, and 1.85e-7: every code begins at the same float as with the division. Without a fused multiply-add
// the division stays.
// CHECK-LABEL: func.func @thirds
// CHECK:         ^bb0(%[[X:.+]]: f32, %{{.+}}: i8):
// CHECK-NEXT:      %[[HIGH:.+]] = arith.constant 3.33333{{[0-9]+}} : f32
// CHECK-NEXT:      %[[LOW:.+]] = arith.constant {{.+}}E-{{[0-9]+}} : f32
// CHECK-NEXT:      %[[SMALL:.+]] = arith.mulf %[[X]], %[[LOW]] : f32
// CHECK-NEXT:      %[[Q:.+]] = math.fma %[[X]], %[[HIGH]], %[[SMALL]] : f32
// CHECK-NEXT:      %[[IS:.+]] = arith.cmpf ord, %[[Q]], %[[Q]] : f32
// CHECK-NEXT:      %[[NUMBER:.+]] = arith.select %[[IS]], %[[Q]], %{{.+}} : f32
// CHECK-NEXT:      lowbit.round %[[NUMBER]]
// NOFMA-LABEL: func.func @thirds
// NOFMA:         arith.divf
#map = affine_map<(d0) -> (d0)>
func.func @thirds(%x: tensor<8xf32>) -> tensor<8xi8> {
  %scale = arith.constant 0.3 : f32
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<8xi8>
  %codes = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]} ins(%x : tensor<8xf32>) outs(%empty : tensor<8xi8>) {
  ^bb0(%in: f32, %out: i8):
    %q = arith.divf %in, %scale : f32
    %is = arith.cmpf ord, %q, %q : f32
    %number = arith.select %is, %q, %zero : f32
    %code = lowbit.round %number {low = -128 : i32, high = 127 : i32, zero = 0 : i32} : f32
    linalg.yield %code : i8
  } -> tensor<8xi8>
  return %codes : tensor<8xi8>
}

// -----

// The reciprocal of a power of two is exact.
// CHECK-LABEL: func.func @power
// CHECK:         %[[EIGHT:.+]] = arith.constant 8.000000e+00 : f32
// CHECK-NEXT:    arith.mulf %{{.+}}, %[[EIGHT]] : f32
// NOFMA-LABEL: func.func @power
// NOFMA:         arith.constant 8.000000e+00 : f32
// NOFMA-NOT:     arith.divf
#map = affine_map<(d0) -> (d0)>
func.func @power(%x: tensor<8xf32>) -> tensor<8xi8> {
  %scale = arith.constant 0.125 : f32
  %empty = tensor.empty() : tensor<8xi8>
  %codes = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]} ins(%x : tensor<8xf32>) outs(%empty : tensor<8xi8>) {
  ^bb0(%in: f32, %out: i8):
    %q = arith.divf %in, %scale : f32
    %code = lowbit.round %q {low = 0 : i32, high = 255 : i32, zero = 0 : i32} : f32
    linalg.yield %code : i8
  } -> tensor<8xi8>
  return %codes : tensor<8xi8>
}

// -----

// A quotient that something else reads is that of numerics N1 to the last bit, so it stays; so do scales whose reciprocal
// is near the ends of the floats.
// NOFMA-LABEL: func.func @stays
// CHECK-LABEL: func.func @stays
// CHECK:         %[[Q:.+]] = arith.divf
// CHECK-NEXT:    lowbit.round %[[Q]]
// CHECK:         arith.divf
#map = affine_map<(d0) -> (d0)>
func.func @stays(%x: tensor<8xf32>) -> (tensor<8xi8>, tensor<8xf32>, tensor<8xi8>) {
  %scale = arith.constant 0.3 : f32
  %tiny = arith.constant 1.0e-30 : f32
  %empty = tensor.empty() : tensor<8xi8>
  %reals = tensor.empty() : tensor<8xf32>
  %codes:2 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel"]} ins(%x : tensor<8xf32>)
      outs(%empty, %reals : tensor<8xi8>, tensor<8xf32>) {
  ^bb0(%in: f32, %out: i8, %real: f32):
    %q = arith.divf %in, %scale : f32
    %code = lowbit.round %q {low = 0 : i32, high = 255 : i32, zero = 0 : i32} : f32
    linalg.yield %code, %q : i8, f32
  } -> (tensor<8xi8>, tensor<8xf32>)
  %others = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]} ins(%x : tensor<8xf32>) outs(%empty : tensor<8xi8>) {
  ^bb0(%in: f32, %out: i8):
    %q = arith.divf %in, %tiny : f32
    %code = lowbit.round %q {low = 0 : i32, high = 255 : i32, zero = 0 : i32} : f32
    linalg.yield %code : i8
  } -> tensor<8xi8>
  return %codes#0, %codes#1, %others : tensor<8xi8>, tensor<8xf32>, tensor<8xi8>
}
