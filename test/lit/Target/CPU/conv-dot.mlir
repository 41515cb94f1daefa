// RUN: anybit-opt %s --anybit-stage-schedule=target=x86-64,-sse2 --anybit-stage-kernels=target=x86-64,-sse2 | FileCheck %s --check-prefix=PORTABLE
// RUN: anybit-opt %s --anybit-stage-schedule=target=x86-64 --anybit-stage-kernels=target=x86-64 | FileCheck %s --check-prefixes=MADD,SSE2
// RUN: anybit-opt %s --anybit-stage-schedule=target=x86-64-v3 --anybit-stage-kernels=target=x86-64-v3 | FileCheck %s --check-prefixes=MADD,AVX2
// RUN: anybit-opt %s --anybit-stage-schedule=target=x86-64-v4 --anybit-stage-kernels=target=x86-64-v4 | FileCheck %s --check-prefixes=MADD,AVX512
// RUN: anybit-opt %s --anybit-stage-schedule=target=x86-64-v3,+avxvnni --anybit-stage-kernels=target=x86-64-v3,+avxvnni | FileCheck %s --check-prefixes=VNNI,VNNI256
// RUN: anybit-opt %s --anybit-stage-schedule=target=x86-64-v4,+avx512vnni --anybit-stage-kernels=target=x86-64-v4,+avx512vnni | FileCheck %s --check-prefixes=VNNI,VNNI512

// A step multiplies four codes with four weights per column, in the form that the target has. All forms are exact: for
// weights of 127, a saturating VPMADDUBSW is none of them (numerics N4).

// Other instruction sets: every byte of the quad is widened by shifts and multiplied as int32.
// PORTABLE-LABEL: func.func @conv_dot4
// PORTABLE:         %[[WEIGHTS:.+]] = llvm.load %{{.+}} : !llvm.ptr -> vector<16xi8>
// PORTABLE-NEXT:    %[[QUADS:.+]] = vector.bitcast %[[WEIGHTS]] : vector<16xi8> to vector<4xi32>
// PORTABLE-COUNT-4: arith.shrsi %{{.+}}, %{{.+}} : vector<4xi32>
// PORTABLE:         %[[CODES:.+]] = llvm.load %{{.+}} {alignment = 1 : i64} : !llvm.ptr -> i32
// PORTABLE-COUNT-4: vector.broadcast %{{.+}} : i32 to vector<4xi32>
// PORTABLE:         arith.muli %{{.+}}, %{{.+}} : vector<4xi32>
// PORTABLE-NOT:     llvm.call_intrinsic
// PORTABLE:         arith.sitofp

// SSE2, AVX2 and AVX-512BW: even and odd bytes as int16 pairs, multiplied and added without loss. Codes are widened into
// scratch memory before the tiles; one load broadcasts two of them.
// MADD-LABEL: func.func @conv_dot4
// MADD:         %[[CODES:.+]] = vector.bitcast %{{.+}} : vector<{{.+}}xi32> to vector<[[WORDS:.+]]xi16>
// MADD:         %[[CODES_EVEN:.+]] = arith.andi %[[CODES]], %{{.+}} : vector<[[WORDS]]xi16>
// MADD:         %[[CODES_ODD:.+]] = arith.shrui %[[CODES]], %{{.+}} : vector<[[WORDS]]xi16>
// MADD:         llvm.store %[[CODES_EVEN]], %{{.+}}
// MADD:         llvm.store %[[CODES_ODD]], %{{.+}}
// MADD:         %[[PAIRS:.+]] = vector.bitcast %{{.+}} : vector<{{.+}}xi8> to vector<[[WORDS]]xi16>
// MADD:         %[[RAISED:.+]] = arith.shli %[[PAIRS]], %{{.+}} : vector<[[WORDS]]xi16>
// MADD-NEXT:    %[[EVEN:.+]] = arith.shrsi %[[RAISED]], %{{.+}} : vector<[[WORDS]]xi16>
// MADD-NEXT:    %[[ODD:.+]] = arith.shrsi %[[PAIRS]], %{{.+}} : vector<[[WORDS]]xi16>
// MADD:         %[[TWO_EVEN:.+]] = vector.bitcast %{{.+}} : vector<{{.+}}xi32> to vector<[[WORDS]]xi16>
// SSE2:         llvm.call_intrinsic "llvm.x86.sse2.pmadd.wd"(%[[TWO_EVEN]], %[[EVEN]]) : (vector<8xi16>, vector<8xi16>) -> vector<4xi32>
// AVX2:         llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%[[TWO_EVEN]], %[[EVEN]]) : (vector<16xi16>, vector<16xi16>) -> vector<8xi32>
// AVX512:       llvm.call_intrinsic "llvm.x86.avx512.pmaddw.d.512"(%[[TWO_EVEN]], %[[EVEN]]) : (vector<32xi16>, vector<32xi16>) -> vector<16xi32>
// MADD:         %[[TWO_ODD:.+]] = vector.bitcast %{{.+}} : vector<{{.+}}xi32> to vector<[[WORDS]]xi16>
// SSE2:         llvm.call_intrinsic "llvm.x86.sse2.pmadd.wd"(%[[TWO_ODD]], %[[ODD]]) : (vector<8xi16>, vector<8xi16>) -> vector<4xi32>
// AVX2:         llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%[[TWO_ODD]], %[[ODD]]) : (vector<16xi16>, vector<16xi16>) -> vector<8xi32>
// AVX512:       llvm.call_intrinsic "llvm.x86.avx512.pmaddw.d.512"(%[[TWO_ODD]], %[[ODD]]) : (vector<32xi16>, vector<32xi16>) -> vector<16xi32>

// With VNNI it is one instruction, whose second operand is the unsigned one: the codes.
// VNNI-LABEL: func.func @conv_dot4
// VNNI:         %[[WEIGHTS:.+]] = llvm.load %{{.+}} : !llvm.ptr -> vector<[[BYTES:.+]]xi8>
// VNNI:         %[[CODES:.+]] = vector.bitcast %{{.+}} : vector<{{.+}}xi32> to vector<[[BYTES]]xi8>
// VNNI256:      llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.256"(%{{.+}}, %[[CODES]], %[[WEIGHTS]]) : (vector<8xi32>, vector<32xi8>, vector<32xi8>) -> vector<8xi32>
// VNNI512:      llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.+}}, %[[CODES]], %[[WEIGHTS]]) : (vector<16xi32>, vector<64xi8>, vector<64xi8>) -> vector<16xi32>
func.func @w8a8(%x: tensor<1x8x1x1xi8>) -> tensor<1x4x1x1xf32> attributes {anybit.candidate = "w8a8"} {
  %w = arith.constant dense<127> : tensor<4x8x1x1xi8>
  %m = arith.constant dense<1.0> : tensor<4xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 8>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    lowbit.yield %scaled : f32
  } : tensor<1x8x1x1xi8>, tensor<4x8x1x1xi8>, (tensor<4xf32>) -> tensor<1x4x1x1xf32>
  return %y : tensor<1x4x1x1xf32>
}
