// RUN: anybit-opt %s --split-input-file --anybit-stage-kernels=target=x86-64 | FileCheck %s

// A result whose channels are innermost goes to the caller row-major. A tile is 4 channels, as vectors of one
// position, by 4 positions of the row: two rounds of interleaving make vectors of the caller's. 5 channels and 6 columns are two
// tiles each, the second of which overlaps the first.
// CHECK:       plan.variant @copied
// CHECK:         plan.dispatch @[[COPY:transpose_[0-9]+]] layer "" grid 2 [#plan.argument<arena{{.*}}>, #plan.argument<output>]
// CHECK:       func.func @[[COPY]](
// CHECK-SAME:    anybit.family = "transpose"
// CHECK:         scf.for
// CHECK:           arith.minsi
// CHECK:           arith.minsi
// CHECK-COUNT-4:   llvm.load %{{.+}} -> vector<4xf32>
// CHECK:           vector.shuffle %{{.+}}, %{{.+}} [0, 4, 1, 5] : vector<4xf32>, vector<4xf32>
// CHECK:           vector.shuffle %{{.+}}, %{{.+}} [2, 6, 3, 7] : vector<4xf32>, vector<4xf32>
// CHECK-COUNT-6:   vector.shuffle
// CHECK-COUNT-4:   llvm.store %{{.+}} : vector<4xf32>
// CHECK-NOT:     llvm.store
// CHECK:         return
func.func @copied(%x: tensor<1x5x4x12xf32>) -> tensor<1x5x2x6xf32> attributes {anybit.candidate = "copied"} {
  %y = msq.pool %x {kind = #msq.pool<max>, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x5x4x12xf32> -> tensor<1x5x2x6xf32>
  return %y : tensor<1x5x2x6xf32>
}

// -----

// The quantizer of a picture does its arithmetic on the way, and the three channels of 4 positions are three whole vectors.
// CHECK:       plan.variant @quantized
// CHECK-NEXT:    plan.dispatch @[[IN:transpose_[0-9]+]] layer "" grid 4 [#plan.argument<input>,
// CHECK:       func.func @[[IN]](
// CHECK-COUNT-3: arith.trunci %{{.+}} : vector<4xi32> to vector<4xi8>
// CHECK:         vector.shuffle %{{.+}}, %{{.+}} [0, 4, 2, 1] : vector<4xi8>, vector<4xi8>
// CHECK:         vector.shuffle %{{.+}}, %{{.+}} [0, 1, 4, 3] : vector<4xi8>, vector<4xi8>
// CHECK-COUNT-3: llvm.store %{{.+}} : vector<4xi8>
// CHECK-NOT:     llvm.store
// CHECK:         return
func.func @quantized(%x: tensor<1x3x4x8xf32>) -> tensor<1x3x2x4xi8> attributes {anybit.candidate = "quantized"} {
  %empty = tensor.empty() : tensor<1x3x4x8xi8>
  %codes = linalg.generic {indexing_maps = [affine_map<(a, b, c, d) -> (a, b, c, d)>, affine_map<(a, b, c, d) -> (a, b, c, d)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%x : tensor<1x3x4x8xf32>) outs(%empty : tensor<1x3x4x8xi8>) {
  ^bb0(%in: f32, %out: i8):
    %code = lowbit.round %in {low = 0 : i32, high = 255 : i32, zero = 3 : i32} : f32
    linalg.yield %code : i8
  } -> tensor<1x3x4x8xi8>
  %y = msq.pool %codes {kind = #msq.pool<max>, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x3x4x8xi8> -> tensor<1x3x2x4xi8>
  return %y : tensor<1x3x2x4xi8>
}
