// RUN: anybit-opt %s --split-input-file --anybit-stage-kernels=target=x86-64-v3 | FileCheck %s

// The maximum of codes compares unsigned bytes, 32 in a register, and starts at 0. The grid is the rows of the result.
// CHECK:       plan.variant @codes
// CHECK:         plan.dispatch @[[POOL:pool_[0-9]+]] layer "" grid 2
// CHECK:       func.func @[[POOL]]
// CHECK-SAME:    anybit.family = "pool"
// CHECK:         %[[START:.+]] = arith.constant dense<0> : vector<32xi8>
// CHECK:         scf.for {{.+}} iter_args(%{{.+}} = %[[START]])
// CHECK:         arith.maxui %{{.+}}, %{{.+}} : vector<32xi8>
func.func @codes(%x: tensor<1x32x4x4xi8>) -> tensor<1x32x2x2xi8> attributes {anybit.candidate = "codes"} {
  %y = msq.pool %x {kind = #msq.pool<max>, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x32x4x4xi8> -> tensor<1x32x2x2xi8>
  return %y : tensor<1x32x2x2xi8>
}

// -----

// That of reals starts at minus infinity: padding is never read, and may not win.
// CHECK:       func.func @pool
// CHECK:         %[[START:.+]] = arith.constant dense<0xFF800000> : vector<8xf32>
// CHECK:         scf.for {{.+}} iter_args(%{{.+}} = %[[START]])
// CHECK:         arith.maximumf %{{.+}}, %{{.+}} : vector<8xf32>
func.func @reals(%x: tensor<1x8x4x4xf32>) -> tensor<1x8x2x2xf32> attributes {anybit.candidate = "reals"} {
  %y = msq.pool %x {kind = #msq.pool<max>, kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
      pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x8x4x4xf32> -> tensor<1x8x2x2xf32>
  return %y : tensor<1x8x2x2xf32>
}

// -----

// An average divides by a count that depends on the position, and 3 channels are the masked part of a register.
// CHECK:       func.func @pool
// CHECK:         %[[DIVISOR:.+]] = arith.sitofp %{{.+}} : i64 to f32
// CHECK:         %[[MASK:.+]] = arith.constant dense<[true, true, true, false, false, false, false, false]> : vector<8xi1>
// CHECK:         llvm.intr.masked.load %{{.+}}, %[[MASK]],
// CHECK:         arith.addf %{{.+}}, %{{.+}} : vector<8xf32>
// CHECK:         %[[ALL:.+]] = vector.broadcast %[[DIVISOR]] : f32 to vector<8xf32>
// CHECK:         %[[AVERAGE:.+]] = arith.divf %{{.+}}, %[[ALL]] : vector<8xf32>
// CHECK:         llvm.intr.masked.store %[[AVERAGE]],
func.func @average(%x: tensor<1x3x4x4xf32>) -> tensor<1x3x2x2xf32> attributes {anybit.candidate = "average"} {
  %y = msq.pool %x {kind = #msq.pool<average>, kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
      pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x3x4x4xf32> -> tensor<1x3x2x2xf32>
  return %y : tensor<1x3x2x2xf32>
}
