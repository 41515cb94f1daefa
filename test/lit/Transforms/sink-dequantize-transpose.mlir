// RUN: anybit-opt %s --pass-pipeline='builtin.module(func.func(anybit-sink-dequantize))' | FileCheck %s

// A transpose has a region of its own, whose element type changes with the operands.
// CHECK-LABEL: func.func @transpose
// CHECK-SAME:    (%[[Q:.+]]: tensor<1x4x2x3xi8>)
// CHECK:         %[[EMPTY:.+]] = tensor.empty() : tensor<1x2x3x4xi8>
// CHECK:         %[[T:.+]] = linalg.transpose ins(%[[Q]] : tensor<1x4x2x3xi8>) outs(%[[EMPTY]] : tensor<1x2x3x4xi8>) permutation = [0, 2, 3, 1]
// CHECK:         %[[Y:.+]] = msq.dequantize %[[T]],
// CHECK-NEXT:    return %[[Y]]
func.func @transpose(%q: tensor<1x4x2x3xi8>) -> tensor<1x2x3x4xf32> {
  %scale = arith.constant dense<0.5> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %x = msq.dequantize %q, %scale, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x4x2x3xi8>, tensor<f32>, tensor<i32> -> tensor<1x4x2x3xf32>
  %empty = tensor.empty() : tensor<1x2x3x4xf32>
  %y = linalg.transpose ins(%x : tensor<1x4x2x3xf32>) outs(%empty : tensor<1x2x3x4xf32>) permutation = [0, 2, 3, 1]
  return %y : tensor<1x2x3x4xf32>
}
