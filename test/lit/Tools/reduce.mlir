// RUN: anybit-reduce %s --reduction-tree='test=%S/Inputs/holds-conv.sh' 2>/dev/null | FileCheck %s
// RUN: anybit-reduce %s --reduction-tree='test=%S/Inputs/holds-conv.sh' 2>/dev/null | anybit-opt -o %t
// RUN: anybit-reduce %s --opt-reduction-pass='opt-pass=func.func(anybit-fold-constants) test=%S/Inputs/holds-conv.sh' \
// RUN:   | FileCheck %s --check-prefix=FOLDED

// The bug is a convolution: what it does not need goes, what it needs stays, and the result is a module that parses.
// (The reducer reports what it tried and found invalid; that is the noise on standard error.)
// CHECK-NOT:     func.func @other
// CHECK:         func.func @layer
// CHECK-COUNT-3: arith.constant
// CHECK-NEXT:    %[[CODES:.+]] = msq.quantize
// CHECK-NEXT:    %[[W:.+]] = msq.dequantize %[[CODES]]
// CHECK-NEXT:    %[[Y:.+]] = msq.conv %{{.+}}, %[[W]]
// CHECK-NEXT:    return %[[Y]]
// CHECK-NEXT:    }
// CHECK-NOT:     func.func

// Passes of ours can reduce too: the weights become constant codes, and dead ops go.
// FOLDED-LABEL: func.func @layer
// FOLDED-NOT:   msq.quantize
// FOLDED-NOT:   msq.pool
// FOLDED:       msq.conv
// FOLDED-LABEL: func.func @other
func.func @layer(%x: tensor<1x2x8x8xf32>) -> tensor<1x2x8x8xf32> {
  %scale = arith.constant dense<0.5> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %real = arith.constant dense<1.0> : tensor<2x2x1x1xf32>
  %codes = msq.quantize %real, %scale, %zero {format = #msq.format<signed, 4>}
      : tensor<2x2x1x1xf32>, tensor<f32>, tensor<i32> -> tensor<2x2x1x1xi8>
  %w = msq.dequantize %codes, %scale, %zero {format = #msq.format<signed, 4>}
      : tensor<2x2x1x1xi8>, tensor<f32>, tensor<i32> -> tensor<2x2x1x1xf32>
  %y = msq.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
      : tensor<1x2x8x8xf32>, tensor<2x2x1x1xf32> -> tensor<1x2x8x8xf32>
  %unused = msq.pool %y {kind = #msq.pool<max>, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x2x8x8xf32> -> tensor<1x2x4x4xf32>
  return %y : tensor<1x2x8x8xf32>
}

func.func @other(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
