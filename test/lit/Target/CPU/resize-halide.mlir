// REQUIRES: x86_64
// RUN: anybit-opt %s --anybit-stage-integerize --anybit-stage-schedule=target=x86-64-v3 --anybit-stage-kernels=target=x86-64-v3 | FileCheck %s --check-prefixes=ALL,AVX2
// RUN: anybit-opt %s --anybit-stage-integerize --anybit-stage-schedule=target=x86-64-v4 --anybit-stage-kernels=target=x86-64-v4 | FileCheck %s --check-prefixes=ALL,AVX512
// RUN: anybit-opt %s --anybit-stage-integerize --anybit-stage-schedule=target=x86-64-v2 --anybit-stage-kernels=target=x86-64-v2 | FileCheck %s --check-prefix=OWN
// RUN: anybit-opt %s --anybit-stage-integerize --anybit-stage-schedule=target=x86-64-v3 --anybit-stage-kernels="target=x86-64-v3 no-halide" | FileCheck %s --check-prefix=OWN

// The loops over columns and over rows of a linear resize are one dispatch where an object of Halide computes both: the
// input, two tables of positions and one of weights for each dimension, the result. Not where the result is the caller's.
// OWN-NOT: halide
// OWN:     plan.variant @up
// OWN-NOT: halide
// AVX2:    llvm.func @linear_f32_avx2(!llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr) -> i32
// AVX512:  llvm.func @linear_f32_avx512(!llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr) -> i32
// ALL:     plan.variant @up
// ALL:       plan.dispatch @[[KERNEL:halide_[0-9]+]] layer "" grid 46
// ALL-SAME:    measured faster than loops
// ALL-NOT:   plan.dispatch @halide
// ALL:     func.func @[[KERNEL]]
// ALL:       llvm.call @linear_f32_
func.func @up(%x: tensor<2x128x9x7xf32>) -> (tensor<2x128x12x8xf32>, tensor<2x128x18x14xf32>) attributes {anybit.candidate = "up"} {
  %r = msq.resize %x {mode = "linear", coordinates = "align_corners", nearest = "floor",
      scales = array<f64: 1.0, 1.0, 2.5555555, 2.1428571>} : tensor<2x128x9x7xf32> -> tensor<2x128x23x15xf32>
  %y = msq.pool %r {kind = #msq.pool<max>, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>,
      pads = array<i64: 0, 0, 1, 1>, dilations = array<i64: 1, 1>} : tensor<2x128x23x15xf32> -> tensor<2x128x12x8xf32>
  %z = msq.resize %x {mode = "linear", coordinates = "half_pixel", nearest = "floor",
      scales = array<f64: 1.0, 1.0, 2.0, 2.0>} : tensor<2x128x9x7xf32> -> tensor<2x128x18x14xf32>
  return %y, %z : tensor<2x128x12x8xf32>, tensor<2x128x18x14xf32>
}
