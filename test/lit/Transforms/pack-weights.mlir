// RUN: anybit-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(anybit-pack-weights{target=x86-64 kernel=dot4:2}))' | FileCheck %s
// RUN: anybit-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(anybit-pack-weights{target=x86-64-v4 kernel=dot4:2}))' | FileCheck %s --check-prefix=V4
// RUN: anybit-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(anybit-pack-weights{target=sapphirerapids}))' | FileCheck %s --check-prefix=VNNI
// RUN: anybit-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(anybit-pack-weights{target=znver4 kernel=popcount:1}))' | FileCheck %s --check-prefix=BITS

// A pointwise layer of 4 inputs: one step per column. Four bits of storage hold q + 8, which are 8 to 11, 7 to 4, 12 to
// 15 and 0 to 3 for the four outputs; with 4 columns a step has 8 bytes, and byte j holds position j in its low half and
// position j + 8 in its high half: C8, D9, …. The accumulator starts at -zero * sum(w).
// CHECK-LABEL: func.func @dot4
// CHECK-DAG:     %[[W:.+]] = arith.constant dense<[-56, -39, -22, -5, 7, 22, 37, 52]> : tensor<8xi8, #lowbit.packed<dot4, columns = 4, bits = 4, taps = 1, planes = 1>>
// CHECK-DAG:     %[[INITIAL:.+]] = arith.constant dense<[-60, 100, -220, 260]> : tensor<4xi32>
// CHECK:         lowbit.conv %{{.+}}, %[[W]] initial(%[[INITIAL]] : tensor<4xi32>)
//
// A block of 16 columns is padded with zeros, index 8, and with accumulators that start at 0.
// V4-LABEL: func.func @dot4
// V4-DAG:     arith.constant dense<[-60, 100, -220, 260, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]> : tensor<16xi32>
// V4-DAG:     arith.constant dense<[-120, -119, -118, -117, -121, -122, -123, -124, -116, -115, -114, -113, -128, -127, -126, -125, -120, {{.+}}]> : tensor<32xi8, #lowbit.packed<dot4, columns = 16, bits = 4, taps = 1, planes = 1, pair_steps = 8>
func.func @dot4(%x: tensor<1x4x8xi8>) -> tensor<1x4x8xf32> {
  %w = arith.constant dense<[[[0], [1], [2], [3]], [[-1], [-2], [-3], [-4]], [[4], [5], [6], [7]],
                             [[-8], [-7], [-6], [-5]]]> : tensor<4x4x1xi8>
  %m = arith.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 10 : i32,
      weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  } : tensor<1x4x8xi8>, tensor<4x4x1xi8>, (tensor<4xf32>) -> tensor<1x4x8xf32>
  return %y : tensor<1x4x8xf32>
}

// -----

// Kernels load whole registers of per-channel parameters: 64 elements past the last channel, rounded up. What is per
// element stays as it is.
// CHECK-LABEL: func.func @parameters
// CHECK-SAME:    %[[R:[^ ]+]]: tensor<1x4x8xf32>)
// CHECK:         %[[M:.+]] = arith.constant dense<{{.+}}> : tensor<128xf32>
// CHECK:         lowbit.conv {{.+}} params(%[[M]], %[[R]])
func.func @parameters(%x: tensor<1x4x8xi8>, %r: tensor<1x4x8xf32>) -> tensor<1x4x8xf32> {
  %w = arith.constant dense<1> : tensor<4x4x1xi8>
  %m = arith.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %y = lowbit.conv %x, %w params(%m, %r) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32, %r0: f32):
    lowbit.yield %r0 : f32
  } : tensor<1x4x8xi8>, tensor<4x4x1xi8>, (tensor<4xf32>, tensor<1x4x8xf32>) -> tensor<1x4x8xf32>
  return %y : tensor<1x4x8xf32>
}

// -----

// Storage is the smallest of 1, 2, 4 and 8 bits that holds the format. Blocks have the two registers of columns that are wished for.
// CHECK-LABEL: func.func @widths
// CHECK-DAG:     tensor<{{[0-9]+}}xi8, #lowbit.packed<dot4, columns = 8, bits = 1, taps = 1, planes = 1>>
// CHECK-DAG:     tensor<{{[0-9]+}}xi8, #lowbit.packed<dot4, columns = 8, bits = 2, taps = 1, planes = 1>>
// CHECK-DAG:     tensor<{{[0-9]+}}xi8, #lowbit.packed<dot4, columns = 8, bits = 4, taps = 1, planes = 1>>
// CHECK-DAG:     tensor<{{[0-9]+}}xi8, #lowbit.packed<dot4, columns = 8, bits = 8, taps = 1, planes = 1>>
// V4-LABEL: func.func @widths
// V4-DAG:     tensor<{{[0-9]+}}xi8, #lowbit.packed<dot4, columns = 32, bits = 1, taps = 1, planes = 1, pair_steps = 64>>
// V4-DAG:     tensor<{{[0-9]+}}xi8, #lowbit.packed<dot4, columns = 32, bits = 2, taps = 1, planes = 1, pair_steps = 32>>
// V4-DAG:     tensor<{{[0-9]+}}xi8, #lowbit.packed<dot4, columns = 32, bits = 4, taps = 1, planes = 1, pair_steps = 16>>
// V4-DAG:     tensor<{{[0-9]+}}xi8, #lowbit.packed<dot4, columns = 32, bits = 8, taps = 1, planes = 1, pair_steps = 256>>
func.func @widths(%x: tensor<1x4x8xi8>, %r: tensor<1x64x8xi8>)
    -> (tensor<1x64x8xi8>, tensor<1x64x8xi8>, tensor<1x64x8xi8>, tensor<1x64x8xi8>) {
  %w = arith.constant dense<0> : tensor<64x4x1xi8>
  %odd = lowbit.conv %x, %w params(%r) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<odd, 1>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %r0: i8):
    lowbit.yield %r0 : i8
  } : tensor<1x4x8xi8>, tensor<64x4x1xi8>, (tensor<1x64x8xi8>) -> tensor<1x64x8xi8>
  %two = lowbit.conv %x, %w params(%r) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %r0: i8):
    lowbit.yield %r0 : i8
  } : tensor<1x4x8xi8>, tensor<64x4x1xi8>, (tensor<1x64x8xi8>) -> tensor<1x64x8xi8>
  %three = lowbit.conv %x, %w params(%r) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 3>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %r0: i8):
    lowbit.yield %r0 : i8
  } : tensor<1x4x8xi8>, tensor<64x4x1xi8>, (tensor<1x64x8xi8>) -> tensor<1x64x8xi8>
  %five = lowbit.conv %x, %w params(%r) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 5>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %r0: i8):
    lowbit.yield %r0 : i8
  } : tensor<1x4x8xi8>, tensor<64x4x1xi8>, (tensor<1x64x8xi8>) -> tensor<1x64x8xi8>
  return %odd, %two, %three, %five : tensor<1x64x8xi8>, tensor<1x64x8xi8>, tensor<1x64x8xi8>, tensor<1x64x8xi8>
}

// -----

// Three channels do not fill a step of four: the three columns of a row form one run of nine values, so that only its
// end is padded, not every position. The padding needs a weight of zero, which `odd` does not have, so that is stored in bytes.
// CHECK-LABEL: func.func @runs
// CHECK-DAG:     tensor<72xi8, #lowbit.packed<dot4, columns = 4, bits = 4, taps = 3, planes = 1>>
// CHECK-DAG:     tensor<144xi8, #lowbit.packed<dot4, columns = 4, bits = 8, taps = 3, planes = 1>>
func.func @runs(%x: tensor<1x3x8x8xi8>, %r: tensor<1x4x8x8xi8>) -> (tensor<1x4x8x8xi8>, tensor<1x4x8x8xi8>) {
  %w = arith.constant dense<1> : tensor<4x3x3x3xi8>
  %signed = lowbit.conv %x, %w params(%r) attributes {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 3, 3>, input_zero = 0 : i32,
      weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %r0: i8):
    lowbit.yield %r0 : i8
  } : tensor<1x3x8x8xi8>, tensor<4x3x3x3xi8>, (tensor<1x4x8x8xi8>) -> tensor<1x4x8x8xi8>
  %odd = lowbit.conv %x, %w params(%r) attributes {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>,
      dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 3, 3>, input_zero = 0 : i32,
      weight_format = #msq.format<odd, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %r0: i8):
    lowbit.yield %r0 : i8
  } : tensor<1x3x8x8xi8>, tensor<4x3x3x3xi8>, (tensor<1x4x8x8xi8>) -> tensor<1x4x8x8xi8>
  return %signed, %odd : tensor<1x4x8x8xi8>, tensor<1x4x8x8xi8>
}

// -----

// Weights that leave int8 are sums of planes: odd at 8 bits reaches 255, unsigned without a zero point too.
// CHECK-LABEL: func.func @planes
// CHECK:         #lowbit.packed<dot4, columns = 8, bits = 8, taps = 1, planes = 3>
// CHECK:         #lowbit.packed<dot4, columns = 8, bits = 8, taps = 1, planes = 1>
func.func @planes(%x: tensor<1x4x8xi8>, %r: tensor<1x8x8xi8>) -> (tensor<1x8x8xi8>, tensor<1x8x8xi8>) {
  %w = arith.constant dense<1> : tensor<8x4x1xi8>
  %odd = lowbit.conv %x, %w params(%r) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<odd, 8>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %r0: i8):
    lowbit.yield %r0 : i8
  } : tensor<1x4x8xi8>, tensor<8x4x1xi8>, (tensor<1x8x8xi8>) -> tensor<1x8x8xi8>
  %middle = lowbit.conv %x, %w params(%r) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32,
      weight_format = #msq.format<unsigned, 8>, weight_zero = 128 : i32} {
  ^bb0(%acc: i32, %r0: i8):
    lowbit.yield %r0 : i8
  } : tensor<1x4x8xi8>, tensor<8x4x1xi8>, (tensor<1x8x8xi8>) -> tensor<1x8x8xi8>
  return %odd, %middle : tensor<1x8x8xi8>, tensor<1x8x8xi8>
}

// -----

// One input and one output per group: channels lie in lanes, taps outermost, decoded (2q - 3) to bytes.
// CHECK-LABEL: func.func @depthwise
// CHECK-DAG:     arith.constant dense<[-3, 1, -1, 3]> : tensor<4xi8, #lowbit.packed<depthwise, columns = 4, bits = 8, taps = 1, planes = 1>>
// CHECK-DAG:     arith.constant dense<[8, -8]> : tensor<2xi32>
//
// Dot products: four taps make a dword of a channel, which two outputs share, so that the second one's taps come one later;
// as int16, taps 0 and 2 lie before taps 1 and 3.
// VNNI-LABEL: func.func @depthwise
// VNNI-DAG:     arith.constant dense<"0xFDFF000001030000{{0+}}FDFF00000103000{{0+}}"> : tensor<128xi8, #lowbit.packed<depthwise, columns = 64, bits = 8, taps = 1, planes = 1>>
// VNNI-DAG:     arith.constant dense<[8, -8, 0, 0, {{.+}}]> : tensor<16xi32>
// V4-LABEL: func.func @depthwise
// V4:         arith.constant dense<"0xFDFF000001000000{{0+}}FFFF000003000000{{[0-9A-F]+}}"> : tensor<256xi8, #lowbit.packed<depthwise, columns = 64, bits = 16, taps = 1, planes = 1>>
func.func @depthwise(%x: tensor<1x2x9xi8>, %r: tensor<1x2x8xi8>) -> tensor<1x2x8xi8> {
  %w = arith.constant dense<[[[0, 1]], [[2, 3]]]> : tensor<2x1x2xi8>
  %y = lowbit.conv %x, %w params(%r) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 2 : i64, kernel = array<i64: 2>, input_zero = 2 : i32,
      weight_format = #msq.format<odd, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %r0: i8):
    lowbit.yield %r0 : i8
  } : tensor<1x2x9xi8>, tensor<2x1x2xi8>, (tensor<1x2x8xi8>) -> tensor<1x2x8xi8>
  return %y : tensor<1x2x8xi8>
}

// -----

// Reals: columns in lanes, padded with zeros; there is no accumulator to start.
// CHECK-LABEL: func.func @real
// CHECK:         %[[W:.+]] = arith.constant dense<[1.000000e+00, 3.000000e+00, 0.000000e+00, 0.000000e+00, 2.000000e+00, 4.000000e+00, 0.000000e+00, 0.000000e+00]> : tensor<8xf32, #lowbit.packed<real, columns = 4, bits = 32, taps = 1, planes = 1>>
// CHECK:         lowbit.conv %{{.+}}, %[[W]] params(
func.func @real(%x: tensor<1x2x8xf32>, %r: tensor<1x2x8xf32>) -> tensor<1x2x8xf32> {
  %w = arith.constant dense<[[[1.0], [2.0]], [[3.0], [4.0]]]> : tensor<2x2x1xf32>
  %y = lowbit.conv %x, %w params(%r) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32, weight_zero = 0 : i32} {
  ^bb0(%acc: f32, %r0: f32):
    lowbit.yield %acc : f32
  } : tensor<1x2x8xf32>, tensor<2x2x1xf32>, (tensor<1x2x8xf32>) -> tensor<1x2x8xf32>
  return %y : tensor<1x2x8xf32>
}

// -----

// Bits that are counted: plane 0 of all outputs, then plane 1; a word has a bit for every channel. The outputs hold the
// codes 0, 1, 2, 3, 0, … in channels 0 and 31. The accumulator of `odd` starts at 1 * sum(code), as the zero point is 0.
// BITS-LABEL: func.func @bit_planes
// BITS-DAG:     arith.constant dense<[0, 2, 4, 6, 0, 2, 4, 6, 0, 2, 4, 6, 0, 2, 4, 6]> : tensor<16xi32>
// BITS-DAG:     arith.constant dense<"0x0000000001000080000000000100008000000000010000800000000001000080000000000100008000000000010000800000000001000080000000000100008000000000000000000100008001000080000000000000000001000080010000800000000000000000010000800100008000000000000000000100008001000080"> : tensor<128xi8, #lowbit.packed<popcount, columns = 16, bits = 2, taps = 1, planes = 1>>
func.func @bit_planes(%x: tensor<1x32x8xi8>) -> tensor<1x16x8xf32> {
  %w = arith.constant dense<[[[0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0]],
                             [[1], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [1]],
                             [[2], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [2]],
                             [[3], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [3]],
                             [[0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0]],
                             [[1], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [1]],
                             [[2], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [2]],
                             [[3], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [3]],
                             [[0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0]],
                             [[1], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [1]],
                             [[2], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [2]],
                             [[3], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [3]],
                             [[0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0]],
                             [[1], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [1]],
                             [[2], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [2]],
                             [[3], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [3]]]> : tensor<16x32x1xi8>
  %m = arith.constant dense<1.0> : tensor<16xf32>
  %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
      dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 1>, input_zero = 0 : i32, input_high = 1 : i32,
      weight_format = #msq.format<odd, 2>, weight_zero = 0 : i32} {
  ^bb0(%acc: i32, %m0: f32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  } : tensor<1x32x8xi8>, tensor<16x32x1xi8>, (tensor<16xf32>) -> tensor<1x16x8xf32>
  return %y : tensor<1x16x8xf32>
}
