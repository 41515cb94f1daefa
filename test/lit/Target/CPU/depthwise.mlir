// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule=target=x86-64 --anybit-stage-kernels=target=x86-64 | FileCheck %s --check-prefix=PORTABLE
// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule=target=x86-64-v3 --anybit-stage-kernels=target=x86-64-v3 | FileCheck %s --check-prefix=AVX2
// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule=target=x86-64-v4 --anybit-stage-kernels=target=x86-64-v4 | FileCheck %s --check-prefix=AVX512
// RUN: anybit-opt %s --split-input-file --anybit-stage-schedule=target=sapphirerapids --anybit-stage-kernels=target=sapphirerapids | FileCheck %s --check-prefix=VNNI

// Without dot products: signed weights, unsigned codes, one product a lane; a weight serves the positions of a tile.
// PORTABLE-LABEL: func.func @depthwise
// PORTABLE:         %[[WEIGHT:.+]] = arith.extsi %{{.+}} : vector<4xi8> to vector<4xi32>
// PORTABLE:         %[[CODE:.+]] = arith.extui %{{.+}} : vector<4xi8> to vector<4xi32>
// PORTABLE-NEXT:    %[[PRODUCT:.+]] = arith.muli %[[CODE]], %[[WEIGHT]] : vector<4xi32>
// PORTABLE:         %[[NEXT:.+]] = arith.extui %{{.+}} : vector<4xi8> to vector<4xi32>
// PORTABLE-NEXT:    arith.muli %[[NEXT]], %[[WEIGHT]] : vector<4xi32>
// PORTABLE-NOT:     llvm.intr.masked
// PORTABLE:         return

// With them: 72 channels are a register of 64 and an overlapping one of 16, never a mask. The column that two tiles share
// is carried; three rows serve two output rows, whose weights differ. Packing with saturation restores the order.
// VNNI-LABEL: func.func @depthwise
// VNNI:         scf.if
// VNNI:         %{{.+}}:4 = scf.for {{.+}} iter_args({{.+}}) -> (vector<64xi8>, vector<64xi8>, vector<64xi8>, vector<64xi8>)
// VNNI:           %[[WEIGHTS:.+]] = llvm.inline_asm has_side_effects {{.+}} "", "=r,0,~{memory}"
// VNNI:           %[[ROWS01:.+]] = vector.shuffle %{{.+}}, %{{.+}} [0, 64, 1, 65, 2, 66, 3, 67, 4, 68, 5, 69, 6, 70, 7, 71, 16, 80,
// VNNI:           vector.shuffle %{{.+}}, %{{.+}} [0, 32, 1, 33, 2, 34, 3, 35, 8, 40,
// VNNI:           vector.shuffle %{{.+}}, %{{.+}} [4, 36, 5, 37, 6, 38, 7, 39, 12, 44,
// VNNI-COUNT-16:  llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// VNNI-NOT:       llvm.x86.avx512.vpdpbusd.512
// VNNI:           llvm.call_intrinsic "llvm.x86.avx512.mask.cvtps2dq.512"
// VNNI:           %[[LOW:.+]] = llvm.call_intrinsic "llvm.x86.avx512.packssdw.512"
// VNNI:           %[[HIGH:.+]] = llvm.call_intrinsic "llvm.x86.avx512.packssdw.512"
// VNNI:           llvm.call_intrinsic "llvm.x86.avx512.packuswb.512"(%[[LOW]], %[[HIGH]])
// VNNI:         } else {
// VNNI:           arith.constant 56 : i64
// VNNI:           llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.128"
// VNNI-NOT:     llvm.intr.masked
// VNNI:         return

// AVX2-LABEL: func.func @depthwise
// AVX2:         llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%{{.+}}, %{{.+}}) : (vector<16xi16>, vector<16xi16>) -> vector<8xi32>
// AVX2:         llvm.call_intrinsic "llvm.x86.avx2.packuswb"
// AVX2:         llvm.call_intrinsic "llvm.x86.sse2.pmadd.wd"
// AVX2-NOT:     llvm.intr.masked
// AVX2:         return

// AVX512-LABEL: func.func @depthwise
// AVX512:         llvm.call_intrinsic "llvm.x86.avx512.pmaddw.d.512"(%{{.+}}, %{{.+}}) : (vector<32xi16>, vector<32xi16>) -> vector<16xi32>
// AVX512:         llvm.call_intrinsic "llvm.x86.sse2.pmadd.wd"
// AVX512:         return
func.func @w8a8(%x: tensor<1x72x4x4xi8>) -> tensor<1x72x3x3xi8> attributes {anybit.candidate = "w8a8"} {
  %w = arith.constant dense<1> : tensor<72x1x2x2xi8>
  %m = arith.constant dense<1.0> : tensor<72xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 72 : i64, kernel = array<i64: 2, 2>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 8>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    %code = lowbit.round %scaled {low = 0 : i32, high = 255 : i32, zero = 0 : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x72x4x4xi8>, tensor<72x1x2x2xi8>, (tensor<72xf32>) -> tensor<1x72x3x3xi8>
  return %y : tensor<1x72x3x3xi8>
}

// -----

// Fewer channels than the narrowest register are masked, because what lies behind the last one belongs to the next
// position. A clip at the lowest code is left to packing, which saturates; no real is above the highest code, 10, less the zero
// point, when it is converted, so that codes need no minimum.
// VNNI-LABEL: func.func @depthwise
// VNNI:         %[[MASK:.+]] = arith.constant dense<[true, true, true, true, true, false, {{.+}}]> : vector<16xi1>
// VNNI:         llvm.intr.masked.load %{{.+}}, %[[MASK]], %{{.+}} {{.+}}-> vector<16xi8>
// VNNI:         %[[SCALED:.+]] = arith.mulf
// VNNI:         %[[ABOVE:.+]] = arith.cmpf olt, %[[LIMIT:.+]], %[[SCALED]]
// VNNI-NEXT:    %[[REAL:.+]] = arith.select %[[ABOVE]], %[[LIMIT]], %[[SCALED]]
// VNNI-NEXT:    llvm.call_intrinsic "llvm.x86.sse2.cvtps2dq"(%[[REAL]])
// VNNI:         %[[WORDS:.+]] = llvm.call_intrinsic "llvm.x86.sse2.packssdw.128"
// VNNI:         llvm.call_intrinsic "llvm.sadd.sat"(%[[WORDS]], %{{.+}})
// VNNI:         %[[BYTES:.+]] = llvm.call_intrinsic "llvm.x86.sse2.packuswb.128"
// VNNI-NOT:     arith.minui
// VNNI:         llvm.intr.masked.store %[[BYTES]],
func.func @few(%x: tensor<1x5x6xi8>) -> tensor<1x5x4xi8> attributes {anybit.candidate = "w8a8"} {
  %w = arith.constant dense<1> : tensor<5x1x3xi8>
  %m = arith.constant dense<1.0> : tensor<5xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 5 : i64, kernel = array<i64: 3>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 8>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %least = arith.constant -3.0 : f32
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    %above = arith.cmpf ogt, %scaled, %least : f32
    %clipped = arith.select %above, %scaled, %least : f32
    %code = lowbit.round %clipped {low = 0 : i32, high = 10 : i32, zero = 3 : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x5x6xi8>, tensor<5x1x3xi8>, (tensor<5xf32>) -> tensor<1x5x4xi8>
  return %y : tensor<1x5x4xi8>
}
