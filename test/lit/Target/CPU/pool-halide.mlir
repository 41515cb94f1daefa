// REQUIRES: x86_64
// RUN: anybit-opt %s --anybit-stage-kernels=target=x86-64-v3 | FileCheck %s --check-prefixes=ALL,AVX2
// RUN: anybit-opt %s --anybit-stage-kernels=target=x86-64-v4 | FileCheck %s --check-prefixes=ALL,AVX512
// RUN: anybit-opt %s --anybit-stage-kernels=target=x86-64-v2 | FileCheck %s --check-prefixes=ALL,SSE41
// RUN: anybit-opt %s --anybit-stage-kernels=target=x86-64 | FileCheck %s --check-prefix=OWN
// RUN: anybit-opt %s --anybit-stage-kernels="target=x86-64-v3,-bmi2" | FileCheck %s --check-prefixes=ALL,SSE41
// RUN: anybit-opt %s --anybit-stage-kernels="target=x86-64-v3 no-halide" | FileCheck %s --check-prefix=OWN

// Large maxima of reals are an object of Halide for the target, where there is one: a declaration for the whole module,
// which kernels call with their rows as buffers.
// OWN-NOT: llvm.func
// OWN-NOT: halide
// OWN:     plan.variant @served
// AVX2:    llvm.func @max_f32_3x3s2_avx2(!llvm.ptr, i32, i32, !llvm.ptr) -> i32
// AVX512:  llvm.func @max_f32_3x3s2_avx512(!llvm.ptr, i32, i32, !llvm.ptr) -> i32
// SSE41:   llvm.func @max_f32_3x3s2_sse41(!llvm.ptr, i32, i32, !llvm.ptr) -> i32
// ALL-NOT: llvm.func
// ALL:     plan.variant @served
// ALL:       plan.dispatch @[[KERNEL:halide_[0-9]+]] layer "" grid 66
// ALL-SAME:    measured faster than pool
// OWN-NOT: halide
// OWN:     anybit.family = "pool"
// OWN-NOT: halide

// The grid is the rows of both images; the pads of the first window are arguments.
// ALL:     func.func @[[KERNEL]]
// ALL-SAME:  anybit.family = "halide"
// ALL-COUNT-2: llvm.alloca
// ALL:       arith.divui %{{.+}}, %{{.+}} : i64
// ALL:       scf.for
// ALL:       llvm.call @max_f32_3x3s2_{{.+}}(%{{.+}}, %{{.+}}, %{{.+}}, %{{.+}})
func.func @served(%x: tensor<2x66x65x64xf32>) -> tensor<2x64x33x33xf32> attributes {anybit.candidate = "served"} {
  %t = tensor.empty() : tensor<2x64x66x65xf32>
  %c = linalg.transpose ins(%x : tensor<2x66x65x64xf32>) outs(%t : tensor<2x64x66x65xf32>) permutation = [0, 3, 1, 2]
  %y = msq.pool %c {kind = #msq.pool<max>, kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
      pads = array<i64: 1, 1, 0, 1>, dilations = array<i64: 1, 1>} : tensor<2x64x66x65xf32> -> tensor<2x64x33x33xf32>
  return %y : tensor<2x64x33x33xf32>
}
