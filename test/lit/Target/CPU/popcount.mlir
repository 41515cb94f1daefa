// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule='target=znver4,-gfni kernel=popcount' --anybit-stage-kernels=target=znver4,-gfni | FileCheck %s
// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule='target=znver4 kernel=popcount' --anybit-stage-kernels=target=znver4 | FileCheck %s --check-prefix=GFNI
// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule='target=x86-64-v3 kernel=popcount' --anybit-stage-kernels=target=x86-64-v3 | FileCheck %s --check-prefix=V3

// The input is cut into words of 32 channels in the scratch (8 bytes a position, two positions), the last one of 8 channels; then a
// tile of two positions counts what differs (`odd`), and its sums begin at `initial` less that.
// CHECK-LABEL: func.func @popcount
// CHECK-SAME:    %[[X:[^ ]+]]: !llvm.ptr {{.*}}%[[SCRATCH:[^ ]+]]: !llvm.ptr)
// CHECK-SAME:    anybit.scratch_bytes = 64 : i64
// CHECK:           %[[CODES:.+]] = llvm.load %{{.+}} : !llvm.ptr -> vector<32xi8>
// CHECK:           %[[SEVEN:.+]] = arith.constant dense<7> : vector<32xi8>
// CHECK:           %[[RAISED:.+]] = arith.shli %[[CODES]], %[[SEVEN]] : vector<32xi8>
// CHECK:           %[[SIGNS:.+]] = arith.cmpi slt, %[[RAISED]], %{{.+}} : vector<32xi8>
// CHECK:           %[[WORD:.+]] = llvm.bitcast %[[SIGNS]] : vector<32xi1> to i32
// CHECK:           llvm.store %[[WORD]]
// CHECK:           llvm.intr.masked.load
// CHECK:           scf.for {{.+}} iter_args(%[[C0:.+]] = %{{.+}}, %[[C1:.+]] = %{{.+}}) -> (vector<16xi32>, vector<16xi32>)
// CHECK:             %[[WEIGHTS:.+]] = llvm.load %{{.+}} : !llvm.ptr -> vector<16xi32>
// CHECK:             %[[BITS:.+]] = arith.xori %[[WEIGHTS]], %{{.+}} : vector<16xi32>
// CHECK-NEXT:        %[[ONES:.+]] = math.ctpop %[[BITS]] : vector<16xi32>
// CHECK-NEXT:        arith.subi %[[C0]], %[[ONES]] : vector<16xi32>
// CHECK:             math.ctpop
//
// With GFNI a register of codes is a row of matrices of eight codes, of which a product cuts all planes. Bytes of one plane
// lie eight apart then; the channels that there are fill two words.
// GFNI-LABEL: func.func @popcount
// GFNI:         %[[CODES:.+]] = llvm.intr.masked.load {{.+}} -> vector<64xi8>
// GFNI:         %[[BITS:.+]] = llvm.call_intrinsic "llvm.x86.vgf2p8affineqb.512"(%{{.+}}, %[[CODES]], %{{.+}})
// GFNI:         %[[ROUND:.+]] = llvm.call_intrinsic "llvm.x86.vgf2p8affineqb.512"(%[[BITS]], %{{.+}}, %{{.+}})
// GFNI:         %[[PLANES:.+]] = vector.shuffle %[[ROUND]], %[[ROUND]] [0, 8, 16, 24, 32, 40, 48, 56, 1, 9,
// GFNI:         %[[PLANE:.+]] = vector.extract_strided_slice %[[PLANES]] {offsets = [0], sizes = [8], strides = [1]}
// GFNI:         llvm.store %[[PLANE]]
// GFNI:         math.ctpop
//
// AVX2 counts bytes, which are summed where they may become full.
// V3-LABEL: func.func @popcount
// V3:         %[[BITS:.+]] = arith.xori %{{.+}}, %{{.+}} : vector<8xi32>
// V3-NEXT:    %[[BYTES:.+]] = vector.bitcast %[[BITS]] : vector<8xi32> to vector<32xi8>
// V3-NEXT:    %[[ONES:.+]] = math.ctpop %[[BYTES]] : vector<32xi8>
// V3-NEXT:    arith.addi %{{.+}}, %[[ONES]] : vector<32xi8>
// V3:         arith.subi %{{.+}}, %{{.+}} : vector<8xi32>
func.func @odd(%x: tensor<1x40x1x2xi8>) -> tensor<1x16x1x2xf32> attributes {anybit.candidate = "w1a1"} {
  %w = arith.constant dense<0> : tensor<16x40x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<16xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32, input_high = 1 : i32,
      weight_format = #msq.format<odd, 1>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    lowbit.yield %scaled : f32
  } : tensor<1x40x1x2xi8>, tensor<16x40x1x1xi8>, (tensor<16xf32>) -> tensor<1x16x1x2xf32>
  return %y : tensor<1x16x1x2xf32>
}

// -----

// `signed`: the ones of w & a. Pairs of planes in descending order of their weight, the sums doubled in between; the
// sign plane (two's complement) is subtracted.
// V3-LABEL: func.func @popcount
// V3:         arith.andi %{{.+}}, %{{.+}} : vector<8xi32>
// V3:         math.ctpop
// V3:         %[[HIGH:.+]] = arith.subi %{{.+}}, %{{.+}} : vector<8xi32>
// V3:         arith.addi %[[TWICE:.+]], %[[TWICE]] : vector<8xi32>
// V3:         math.ctpop
// V3:         arith.addi %{{.+}}, %{{.+}} : vector<8xi32>
func.func @signed(%x: tensor<1x64x1x2xi8>) -> tensor<1x16x1x2xf32> attributes {anybit.candidate = "w2a1"} {
  %w = arith.constant dense<0> : tensor<16x64x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<16xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32, input_high = 1 : i32,
      weight_format = #msq.format<signed, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    lowbit.yield %scaled : f32
  } : tensor<1x64x1x2xi8>, tensor<16x64x1x1xi8>, (tensor<16xf32>) -> tensor<1x16x1x2xf32>
  return %y : tensor<1x16x1x2xf32>
}
