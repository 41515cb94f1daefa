// RUN: anybit-opt %s | anybit-opt | FileCheck %s

// A convolution whose epilogue reads nothing but the accumulator can be read again: what a stage prints is the input of
// the next tool.
// CHECK-LABEL: func.func @no_parameters
// CHECK-SAME:    (%[[X:.+]]: tensor<1x2x8xf32>, %[[W:.+]]: tensor<4x2x1xf32>)
// CHECK-NEXT:    %[[Y:.+]] = lowbit.conv %[[X]], %[[W]] params()
// CHECK-NEXT:    ^bb0(%[[ACC:.+]]: f32):
// CHECK-NEXT:      lowbit.yield %[[ACC]] : f32
// CHECK:         return %[[Y]]
func.func @no_parameters(%x: tensor<1x2x8xf32>, %w: tensor<4x2x1xf32>) -> tensor<1x4x8xf32> {
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: f32):
    lowbit.yield %acc : f32
  }) {dilations = array<i64: 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 1>,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>, pads = array<i64: 0, 0>, strides = array<i64: 1>, weight_zero = 0 : i32}
      : (tensor<1x2x8xf32>, tensor<4x2x1xf32>) -> tensor<1x4x8xf32>
  return %y : tensor<1x4x8xf32>
}
