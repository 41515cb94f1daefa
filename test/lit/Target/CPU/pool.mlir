// RUN: anybit-opt %s --split-input-file --anybit-stage-kernels=target=x86-64-v3 | FileCheck %s

// The maximum of codes compares unsigned bytes, 32 in a register. The grid is the rows of the result. A row is one tile:
// its 4 columns are reduced over the rows of the windows, which are written out, then each window over its 2 columns.
// CHECK:       plan.variant @codes
// CHECK:         plan.dispatch @[[POOL:pool_[0-9]+]] layer "" grid 2
// CHECK:       func.func @[[POOL]]
// CHECK-SAME:    anybit.family = "pool"
// CHECK:         %[[ROW0:.+]] = llvm.load %{{.+}} -> vector<32xi8>
// CHECK:         %[[ROW1:.+]] = llvm.load %{{.+}} -> vector<32xi8>
// CHECK-NEXT:    %[[COLUMN0:.+]] = arith.maxui %[[ROW0]], %[[ROW1]] : vector<32xi8>
// CHECK:         %[[COLUMN1:.+]] = arith.maxui
// CHECK:         %[[COLUMN2:.+]] = arith.maxui
// CHECK:         %[[COLUMN3:.+]] = arith.maxui
// CHECK:         %[[FIRST:.+]] = arith.maxui %[[COLUMN0]], %[[COLUMN1]] : vector<32xi8>
// CHECK:         llvm.store %[[FIRST]],
// CHECK:         %[[SECOND:.+]] = arith.maxui %[[COLUMN2]], %[[COLUMN3]] : vector<32xi8>
// CHECK:         llvm.store %[[SECOND]],
func.func @codes(%x: tensor<1x32x4x4xi8>) -> tensor<1x32x2x2xi8> attributes {anybit.candidate = "codes"} {
  %y = msq.pool %x {kind = #msq.pool<max>, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x32x4x4xi8> -> tensor<1x32x2x2xi8>
  return %y : tensor<1x32x2x2xi8>
}

// -----

// That of reals: NaN wins. A row of the padding is the row at the border, so that padding is never read. The first
// window is cut to two columns.
// CHECK:       func.func @pool
// CHECK:         arith.constant 128 : i64
// CHECK:         %[[ROW:.+]] = arith.minsi %{{.+}}, %{{.+}} : i64
// CHECK-NEXT:    %[[DISTANCE:.+]] = arith.subi %[[ROW]], %{{.+}} : i64
// CHECK-NEXT:    %[[BYTES:.+]] = arith.constant 128 : i64
// CHECK-NEXT:    arith.muli %[[DISTANCE]], %[[BYTES]] : i64
// CHECK:         %[[SOFAR:.+]] = llvm.load %{{.+}} -> vector<8xf32>
// CHECK:         %[[NEXT:.+]] = llvm.load %{{.+}} -> vector<8xf32>
// CHECK:         %[[LARGER:.+]] = arith.cmpf ogt, %[[NEXT]], %[[SOFAR]]
// CHECK:         %[[MAXIMUM:.+]] = arith.select %[[LARGER]], %[[NEXT]], %[[SOFAR]]
// CHECK:         %[[NAN:.+]] = arith.cmpf uno, %[[NEXT]], %[[NEXT]]
// CHECK:         arith.select %[[NAN]], %[[NEXT]], %[[MAXIMUM]]
func.func @reals(%x: tensor<1x8x4x4xf32>) -> tensor<1x8x2x2xf32> attributes {anybit.candidate = "reals"} {
  %y = msq.pool %x {kind = #msq.pool<max>, kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
      pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x8x4x4xf32> -> tensor<1x8x2x2xf32>
  return %y : tensor<1x8x2x2xf32>
}

// -----

// An average divides by a count that depends on the position, and 3 channels are the masked part of a register of 4.
// CHECK:       func.func @pool
// CHECK:         %[[MASK:.+]] = arith.constant dense<[true, true, true, false]> : vector<4xi1>
// CHECK:         llvm.intr.masked.load %{{.+}}, %[[MASK]],
// CHECK:         arith.addf %{{.+}}, %{{.+}} : vector<4xf32>
// CHECK:         %[[DIVISOR:.+]] = arith.sitofp %{{.+}} : i64 to f32
// CHECK:         %[[ALL:.+]] = vector.broadcast %[[DIVISOR]] : f32 to vector<4xf32>
// CHECK:         %[[AVERAGE:.+]] = arith.divf %{{.+}}, %[[ALL]] : vector<4xf32>
// CHECK:         llvm.intr.masked.store %[[AVERAGE]],
func.func @average(%x: tensor<1x3x4x4xf32>) -> tensor<1x3x2x2xf32> attributes {anybit.candidate = "average"} {
  %y = msq.pool %x {kind = #msq.pool<average>, kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
      pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : tensor<1x3x4x4xf32> -> tensor<1x3x2x2xf32>
  return %y : tensor<1x3x2x2xf32>
}

// -----

// A total of codes: 16 bits are enough for 64 positions, the result has 32. Without masks of bytes, the last of 20
// channels lie in a register that overlaps the one before it.
// CHECK:       func.func @pool
// CHECK:         %[[START:.+]] = arith.constant dense<0> : vector<16xi16>
// CHECK:         %[[CODES:.+]] = llvm.load %{{.+}} -> vector<16xi8>
// CHECK:         %[[WIDE:.+]] = arith.extui %[[CODES]] : vector<16xi8> to vector<16xi16>
// CHECK:         arith.addi %{{.+}}, %[[WIDE]] : vector<16xi16>
// CHECK:         arith.extui %{{.+}} : vector<16xi16> to vector<16xi32>
// CHECK:         %[[CHANNEL:.+]] = arith.constant 4 : i64
// CHECK:         llvm.getelementptr %{{.+}}[%[[CHANNEL]]]
func.func @total(%x: tensor<1x20x8x8xi8>) -> tensor<1x20x1x1xi32> attributes {anybit.candidate = "total"} {
  %y = msq.pool %x {kind = #msq.pool<total>, kernel = array<i64: 8, 8>, strides = array<i64: 1, 1>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x20x8x8xi8> -> tensor<1x20x1x1xi32>
  return %y : tensor<1x20x1x1xi32>
}

// -----

// Where a row of the padding could lie between the rows of a window, rows are a loop that begins with the least value.
// CHECK:       func.func @pool
// CHECK:         %[[START:.+]] = arith.constant dense<0xFF800000> : vector<8xf32>
// CHECK:         scf.for {{.+}} iter_args(%{{[a-z0-9]+}} = %[[START]]
func.func @dilated(%x: tensor<1x8x4x4xf32>) -> tensor<1x8x2x2xf32> attributes {anybit.candidate = "dilated"} {
  %y = msq.pool %x {kind = #msq.pool<max>, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>,
      pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 2, 2>} : tensor<1x8x4x4xf32> -> tensor<1x8x2x2xf32>
  return %y : tensor<1x8x2x2xf32>
}
