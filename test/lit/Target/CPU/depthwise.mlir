// RUN: anybit-opt %s --anybit-stage-schedule=target=x86-64 --anybit-stage-kernels=target=x86-64 | FileCheck %s --check-prefix=PORTABLE
// RUN: anybit-opt %s --anybit-stage-schedule=target=x86-64-v3 --anybit-stage-kernels=target=x86-64-v3 | FileCheck %s --check-prefix=AVX2
// RUN: anybit-opt %s --anybit-stage-schedule=target=x86-64-v4 --anybit-stage-kernels=target=x86-64-v4 | FileCheck %s --check-prefix=AVX512

// Channels lie in lanes: signed weights, unsigned codes, one product a lane. 20 channels are full registers and one
// register of which the rest is masked, because what lies behind the last channel belongs to the next position.

// PORTABLE-LABEL: func.func @depthwise
// PORTABLE:         %[[WEIGHT:.+]] = arith.extsi %{{.+}} : vector<4xi8> to vector<4xi32>
// PORTABLE:         %[[CODE:.+]] = arith.extui %{{.+}} : vector<4xi8> to vector<4xi32>
// PORTABLE-NEXT:    %[[PRODUCT:.+]] = arith.muli %[[CODE]], %[[WEIGHT]] : vector<4xi32>
// PORTABLE-NOT:     llvm.intr.masked
// PORTABLE:         return

// AVX2-LABEL: func.func @depthwise
// AVX2:         llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%{{.+}}, %{{.+}}) : (vector<16xi16>, vector<16xi16>) -> vector<8xi32>
// AVX2:         %[[MASK:.+]] = arith.constant dense<[true, true, true, true, false, false, false, false]> : vector<8xi1>
// AVX2:         llvm.intr.masked.load %{{.+}}, %[[MASK]], %{{.+}} {{.+}}-> vector<8xi8>
// AVX2:         llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// AVX2:         llvm.intr.masked.store
// AVX2:         return

// AVX512-LABEL: func.func @depthwise
// AVX512:         llvm.call_intrinsic "llvm.x86.avx512.pmaddw.d.512"(%{{.+}}, %{{.+}}) : (vector<32xi16>, vector<32xi16>) -> vector<16xi32>
// AVX512:         llvm.intr.masked.load {{.+}}-> vector<16xi8>
// AVX512:         llvm.intr.masked.store
// AVX512:         return
func.func @w8a8(%x: tensor<1x20x4x4xi8>) -> tensor<1x20x3x3xi8> attributes {anybit.candidate = "w8a8"} {
  %w = arith.constant dense<1> : tensor<20x1x2x2xi8>
  %m = arith.constant dense<1.0> : tensor<20xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
      dilations = array<i64: 1, 1>, groups = 20 : i64, kernel = array<i64: 2, 2>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 8>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    %scaled = arith.mulf %real, %m0 : f32
    %code = lowbit.round %scaled {low = 0 : i32, high = 255 : i32, zero = 0 : i32} : f32
    lowbit.yield %code : i8
  } : tensor<1x20x4x4xi8>, tensor<20x1x2x2xi8>, (tensor<20xf32>) -> tensor<1x20x3x3xi8>
  return %y : tensor<1x20x3x3xi8>
}
