// RUN: anybit-opt %s --anybit-stage-schedule=target=x86-64 --anybit-stage-kernels=target=x86-64 | FileCheck %s --check-prefixes=CHECK,SSE
// RUN: anybit-opt %s --anybit-stage-schedule=target=x86-64-v3 --anybit-stage-kernels=target=x86-64-v3 | FileCheck %s --check-prefixes=CHECK,FMA

// A real layer multiplies one input at a time; sums of reals are outside of bit identity (numerics N6), so targets that
// have FMA use it. There is no table of initial accumulators: input, weights, parameter, result.
// CHECK-LABEL: func.func @conv_real
// CHECK-SAME:    (%[[X:[^ ]+]]: !llvm.ptr {llvm.noalias}, %[[W:[^ ]+]]: !llvm.ptr {llvm.noalias}, %[[BIAS:[^ ]+]]: !llvm.ptr {llvm.noalias}, %[[Y:[^ ]+]]: !llvm.ptr {llvm.noalias}, %{{[^ ]+}}: i64, %{{[^ ]+}}: i64, %{{[^ ]+}}: !llvm.ptr)
// SSE:           %[[COLUMNS:.+]] = llvm.load %{{.+}} : !llvm.ptr -> vector<4xf32>
// SSE:           %[[VALUE:.+]] = vector.broadcast %{{.+}} : f32 to vector<4xf32>
// SSE-NEXT:      %[[PRODUCT:.+]] = arith.mulf %[[VALUE]], %[[COLUMNS]] : vector<4xf32>
// SSE-NEXT:      arith.addf %[[PRODUCT]], %{{.+}} : vector<4xf32>
// SSE-NOT:       math.fma
// FMA:           %[[COLUMNS:.+]] = llvm.load %{{.+}} : !llvm.ptr -> vector<8xf32>
// FMA:           %[[VALUE:.+]] = vector.broadcast %{{.+}} : f32 to vector<8xf32>
// FMA-NEXT:      math.fma %[[VALUE]], %[[COLUMNS]], %{{.+}} : vector<8xf32>
func.func @f32(%x: tensor<1x8x1x1xf32>) -> tensor<1x4x1x1xf32> attributes {anybit.candidate = "f32"} {
  %w = arith.constant dense<1.0> : tensor<4x8x1x1xf32>
  %bias = arith.constant dense<1.0> : tensor<4xf32>
  %y = lowbit.conv %x, %w params(%bias) attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32,
      weight_zero = 0 : i32} {
  ^bb0(%acc: f32, %b: f32):
    %sum = arith.addf %acc, %b : f32
    lowbit.yield %sum : f32
  } : tensor<1x8x1x1xf32>, tensor<4x8x1x1xf32>, (tensor<4xf32>) -> tensor<1x4x1x1xf32>
  return %y : tensor<1x4x1x1xf32>
}
