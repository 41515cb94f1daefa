// RUN: anybit-opt %s --anybit-specialize=candidates=w2a2,w8a8 | FileCheck %s
// RUN: not anybit-opt %s --anybit-specialize=candidates=w4a4,w3a3 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// The option chooses and orders; an index stays that of the file, because tables keep their rows.
// CHECK-NOT:   func.func
// CHECK:       func.func @w2a2
// CHECK:         arith.constant dense<2> : tensor<i64>
// CHECK:       func.func @w8a8
// CHECK:         arith.constant dense<0> : tensor<i64>
// CHECK-NOT:   func.func

// A name that the file does not have is an error that lists those it has.
// UNKNOWN: error: the model has no candidate w3a3, it has w8a8, w4a4, w2a2
module attributes {anybit.candidates = ["w8a8", "w4a4", "w2a2"]} {
  func.func @main(%candidate: tensor<i64> {anybit.candidate}) -> tensor<i64> {
    return %candidate : tensor<i64>
  }
}
