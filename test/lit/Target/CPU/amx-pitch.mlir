// RUN: anybit-opt %s --anybit-stage-schedule='target=sapphirerapids kernel=amx:2' --anybit-stage-kernels=target=sapphirerapids | FileCheck %s
// RUN: anybit-opt %s --anybit-stage-schedule='target=sapphirerapids kernel=dot4:2' --anybit-stage-kernels=target=sapphirerapids | FileCheck %s --check-prefix=DENSE

// 1024 codes of a position are 16 lines of the nearest cache: 64 bytes more keep the rows of a tile from sharing its sets.
// The first layer reads 64 codes of the caller, side by side, and writes rows of 1024 at a pitch of 1088; the second one
// reads them there. Other kernels read one row after the other and have them side by side.
// CHECK:       plan.dispatch @conv_amx_1 {{.+}} [#plan.argument<arena, offset = 69696>,
// CHECK-LABEL: func.func @conv_amx_1
// CHECK:         %[[PITCH:.+]] = arith.constant 1088 : i64
// CHECK:         arith.muli %{{.+}}, %[[PITCH]] : i64
// CHECK-LABEL: func.func @conv_amx_2
// CHECK:         %[[STRIDE:.+]] = arith.constant 1088 : i64
// CHECK:         llvm.call_intrinsic "llvm.x86.tileloadd64"(%{{.+}}, %{{.+}}, %{{.+}}) : (i8, !llvm.ptr, i64) -> ()
// DENSE:       plan.dispatch @conv_dot4
// DENSE-NOT:   arith.constant 1088
func.func @products(%x: tensor<1x64x8x8xi8>) -> tensor<1x32x8x8xf32> attributes {anybit.candidate = "w8"} {
  %v = arith.constant dense<1> : tensor<1024x64x1x1xi8>
  %codes = lowbit.conv %x, %v params() attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32, input_high = 255 : i32,
      weight_format = #msq.format<signed, 8>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32):
    %code = arith.trunci %acc : i32 to i8
    lowbit.yield %code : i8
  } : tensor<1x64x8x8xi8>, tensor<1024x64x1x1xi8> -> tensor<1x1024x8x8xi8>
  %w = arith.constant dense<1> : tensor<32x1024x1x1xi8>
  %y = lowbit.conv %codes, %w params() attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32, input_high = 255 : i32,
      weight_format = #msq.format<signed, 8>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  } : tensor<1x1024x8x8xi8>, tensor<32x1024x1x1xi8> -> tensor<1x32x8x8xf32>
  return %y : tensor<1x32x8x8xf32>
}
