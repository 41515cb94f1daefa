// RUN: anybit-opt %s --split-input-file --anybit-specialize | FileCheck %s

// One function per candidate, in the order of the file; the argument is gone and its uses read the index.
// CHECK-LABEL: module attributes {anybit.candidates = ["w8a8", "w4a4"]}
// CHECK-NOT:   func.func
// CHECK:       func.func @w8a8(%[[X:.+]]: tensor<2xf32>) -> tensor<2xf32> attributes {anybit.candidate = "w8a8"}
// CHECK-DAG:     %[[FIRST:.+]] = arith.constant dense<0> : tensor<i64>
// CHECK-DAG:     %[[TABLE:.+]] = arith.constant dense<{{.+}}> : tensor<2x2xf32>
// CHECK:         %[[ROW:.+]] = msq.select %[[FIRST]], %[[TABLE]]
// CHECK-NEXT:    arith.addf %[[X]], %[[ROW]]
// CHECK:       func.func @w4a4(%[[Y:.+]]: tensor<2xf32>) -> tensor<2xf32> attributes {anybit.candidate = "w4a4"}
// CHECK-DAG:     %[[SECOND:.+]] = arith.constant dense<1> : tensor<i64>
// CHECK:         msq.select %[[SECOND]],
// CHECK-NOT:   func.func
module attributes {anybit.candidates = ["w8a8", "w4a4"]} {
  func.func @main(%x: tensor<2xf32>, %candidate: tensor<i64> {anybit.candidate}) -> tensor<2xf32> {
    %table = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
    %row = msq.select %candidate, %table : tensor<2x2xf32> -> tensor<2xf32>
    %y = arith.addf %x, %row : tensor<2xf32>
    return %y : tensor<2xf32>
  }
}

// -----

// The names of the caller's tensors survive, wherever the candidate stood among the arguments.
// CHECK-LABEL: func.func @one
// CHECK-SAME:    (%[[A:.+]]: tensor<4xf32> {anybit.name = "a"}, %[[B:.+]]: tensor<4xf32> {anybit.name = "b"})
// CHECK-SAME:    -> (tensor<4xf32> {anybit.name = "y"})
// CHECK:         arith.subf %[[A]], %[[B]]
module attributes {anybit.candidates = ["one"]} {
  func.func @main(%a: tensor<4xf32> {anybit.name = "a"}, %candidate: tensor<i64> {anybit.candidate},
                  %b: tensor<4xf32> {anybit.name = "b"}) -> (tensor<4xf32> {anybit.name = "y"}) {
    %y = arith.subf %a, %b : tensor<4xf32>
    return %y : tensor<4xf32>
  }
}

// -----

// A file without candidates has one; quantizers make it `default`.
// CHECK-LABEL: func.func @default(
// CHECK-SAME:    attributes {anybit.candidate = "default"}
func.func @main(%x: tensor<1x4xf32>) -> tensor<1x4xi8> {
  %scale = arith.constant dense<1.0> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %codes = msq.quantize %x, %scale, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x4xf32>, tensor<f32>, tensor<i32> -> tensor<1x4xi8>
  return %codes : tensor<1x4xi8>
}

// -----

// A network of reals is `f32`.
// CHECK-LABEL: func.func @f32(
// CHECK-SAME:    attributes {anybit.candidate = "f32"}
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// -----

// A module without `@main` has nothing to specialize.
// CHECK-LABEL: func.func @other(
// CHECK-NOT:     anybit.candidate
func.func @other(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
