// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule='target=x86-64-v3 kernel=table:4' --anybit-stage-kernels=target=x86-64-v3 | FileCheck %s
// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule='target=icelake-server kernel=table:1' --anybit-stage-kernels=target=icelake-server | FileCheck %s --check-prefix=DOT
// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule='target=icelake-server kernel=table:8' --anybit-stage-kernels=target=icelake-server | FileCheck %s --check-prefix=SIX

// Scratch: tables of two positions and ten times four channels (16 bytes each), then the indices of 32 columns, which are words
// of 32 channels first. `odd`: an entry is the sum of codes or of what is missing to the highest. Bytes are summed, then 16
// bits, whose upper halves are summed too, then int32, from which `initial` is less them.
// CHECK-LABEL: func.func @table
// CHECK-SAME:    anybit.scratch_bytes = 640 : i64
// CHECK:         %[[HIGH:.+]] = arith.constant dense<3> : vector<8xi8>
// CHECK:         %[[MISSING:.+]] = arith.subi %[[HIGH]], %[[CODES:.+]] : vector<8xi8>
// CHECK:         vector.shuffle %[[CODES]], %[[MISSING]] [0, 8, 0, 8, 2, 10, 2, 10, 4, 12, 4, 12, 6, 14, 6, 14]
// CHECK:         vector.shuffle %[[CODES]], %[[MISSING]] [1, 1, 9, 9, 3, 3, 11, 11, 5, 5, 13, 13, 7, 7, 15, 15]
// CHECK:         %[[PAIRS:.+]] = arith.addi %{{.+}}, %{{.+}} : vector<16xi8>
// CHECK:         vector.shuffle %[[PAIRS]], %[[PAIRS]] [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 8,
// CHECK:         vector.shuffle %[[PAIRS]], %[[PAIRS]] [4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7, 12,
// CHECK:         %[[TABLES:.+]] = arith.addi %{{.+}}, %{{.+}} : vector<32xi8>
// CHECK:         llvm.store %[[TABLES]]
// CHECK:         arith.constant dense<252645135> : vector<8xi32>
// CHECK:         scf.for {{.+}} -> (vector<32xi8>, vector<32xi8>)
// CHECK:           %[[INDICES:.+]] = llvm.load %{{.+}} : !llvm.ptr -> vector<32xi8>
// CHECK:           %[[TABLE:.+]] = llvm.load %{{.+}} : !llvm.ptr -> vector<16xi8>
// CHECK:           %[[TWICE:.+]] = vector.shuffle %[[TABLE]], %[[TABLE]]
// CHECK:           %[[FOUND:.+]] = llvm.call_intrinsic "llvm.x86.avx2.pshuf.b"(%[[TWICE]], %[[INDICES]])
// CHECK:           arith.addi %{{.+}}, %[[FOUND]] : vector<32xi8>
// CHECK:         %[[HALVES:.+]] = vector.bitcast %{{.+}} : vector<32xi8> to vector<16xi16>
// CHECK:         arith.shrui %[[HALVES]], %{{.+}} : vector<16xi16>
// CHECK:         arith.subi %{{.+}}, %{{.+}} : vector<8xi32>
//
// Tables of even number lie before those of odd number, and their number is part of an index.
// DOT-LABEL: func.func @table_dot
// DOT-SAME:    anybit.scratch_bytes = 512 : i64
// DOT:         %[[FACTORS:.+]] = arith.constant dense<-1> : vector<64xi8>
// DOT:         %[[NUMBERS:.+]] = arith.constant dense<807407616> : vector<16xi32>
// DOT:         arith.ori %{{.+}}, %[[NUMBERS]] : vector<16xi32>
// DOT:         %[[FOUND:.+]] = llvm.call_intrinsic "llvm.x86.avx512.permvar.qi.512"(%{{.+}}, %{{.+}})
// DOT:         llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.+}}, %[[FOUND]], %[[FACTORS]])
func.func @odd(%x: tensor<1x40x1x2xi8>) -> tensor<1x16x1x2xf32> attributes {anybit.candidate = "w1a2"} {
  %w = arith.constant dense<0> : tensor<16x40x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<16xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32, input_high = 3 : i32,
      weight_format = #msq.format<odd, 1>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    lowbit.yield %scaled : f32
  } : tensor<1x40x1x2xi8>, tensor<16x40x1x1xi8>, (tensor<16xf32>) -> tensor<1x16x1x2xf32>
  return %y : tensor<1x16x1x2xf32>
}

// -----

// `signed` weights of two bits and codes of eight: two planes by two digits, of which those of the sign plane are subtracted.
// DOT-LABEL: func.func @table_dot
// DOT:         arith.constant dense<1> : vector<64xi8>
// DOT:         arith.constant dense<16> : vector<64xi8>
// DOT:         arith.constant dense<-2> : vector<64xi8>
// DOT:         arith.constant dense<-32> : vector<64xi8>
func.func @signed(%x: tensor<1x64x1x2xi8>) -> tensor<1x16x1x2xf32> attributes {anybit.candidate = "w2a8"} {
  %w = arith.constant dense<0> : tensor<16x64x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<16xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32, input_high = 255 : i32,
      weight_format = #msq.format<signed, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    lowbit.yield %scaled : f32
  } : tensor<1x64x1x2xi8>, tensor<16x64x1x1xi8>, (tensor<16xf32>) -> tensor<1x16x1x2xf32>
  return %y : tensor<1x16x1x2xf32>
}

// -----

// More than four registers of columns: tables of six channels of two positions, seven each, and the indices of 128 columns.
// Those of four channels are stored, then each is loaded four times over, and the sums of the other two added.
// SIX-LABEL: func.func @table_six
// SIX-SAME:    anybit.scratch_bytes = 1792 : i64
// SIX:         %[[PAIRS:.+]] = arith.addi %{{.+}}, %{{.+}} : vector<64xi8>
// SIX:         %[[FOURS:.+]] = arith.addi %{{.+}}, %{{.+}} : vector<64xi8>
// SIX:         llvm.store %[[FOURS]]
// SIX:         %[[FOUR:.+]] = llvm.load %{{.+}} : !llvm.ptr -> vector<16xi8>
// SIX:         %[[REPEATED:.+]] = vector.shuffle %[[FOUR]], %[[FOUR]]
// SIX:         %[[TWO:.+]] = llvm.call_intrinsic "llvm.x86.avx512.permvar.qi.512"(%[[PAIRS]], %{{.+}})
// SIX:         arith.addi %[[REPEATED]], %[[TWO]] : vector<64xi8>
// SIX:         %[[INDICES:.+]] = llvm.load %{{.+}} : !llvm.ptr -> vector<64xi8>
// SIX:         llvm.load %{{.+}} : !llvm.ptr -> vector<64xi8>
// SIX:         %[[TABLE:.+]] = llvm.load %{{.+}} : !llvm.ptr -> vector<64xi8>
// SIX:         llvm.call_intrinsic "llvm.x86.avx512.permvar.qi.512"(%[[TABLE]], %[[INDICES]])
func.func @six(%x: tensor<1x40x1x2xi8>) -> tensor<1x72x1x2xf32> attributes {anybit.candidate = "w1a2"} {
  %w = arith.constant dense<0> : tensor<72x40x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<72xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32, input_high = 3 : i32,
      weight_format = #msq.format<odd, 1>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    lowbit.yield %scaled : f32
  } : tensor<1x40x1x2xi8>, tensor<72x40x1x1xi8>, (tensor<72xf32>) -> tensor<1x72x1x2xf32>
  return %y : tensor<1x72x1x2xf32>
}
