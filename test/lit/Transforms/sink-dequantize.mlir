// RUN: anybit-opt %s --pass-pipeline='builtin.module(func.func(anybit-sink-dequantize))' | FileCheck %s

// A reshape reads codes, so that the next convolution does too (numerics N6).
// CHECK-LABEL: func.func @reshape
// CHECK-SAME:    (%[[Q:.+]]: tensor<1x4x2x2xi8>)
// CHECK:         %[[FLAT:.+]] = tensor.collapse_shape %[[Q]] {{.+}} : tensor<1x4x2x2xi8> into tensor<1x16xi8>
// CHECK:         %[[Y:.+]] = msq.dequantize %[[FLAT]], %{{.+}}, %{{.+}} {format = #msq.format<unsigned, 4>} : tensor<1x16xi8>
// CHECK-NEXT:    return %[[Y]]
func.func @reshape(%q: tensor<1x4x2x2xi8>) -> tensor<1x16xf32> {
  %scale = arith.constant dense<0.5> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %x = msq.dequantize %q, %scale, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x4x2x2xi8>, tensor<f32>, tensor<i32> -> tensor<1x4x2x2xf32>
  %y = tensor.collapse_shape %x [[0], [1, 2, 3]] : tensor<1x4x2x2xf32> into tensor<1x16xf32>
  return %y : tensor<1x16xf32>
}

// A chain of movements moves as a whole.
// CHECK-LABEL: func.func @chain
// CHECK-SAME:    (%[[Q:.+]]: tensor<1x4x2x6xi8>)
// CHECK:         %[[SLICE:.+]] = tensor.extract_slice %[[Q]]{{.+}} : tensor<1x4x2x6xi8> to tensor<1x4x2x3xi8>
// CHECK:         %[[WIDE:.+]] = tensor.expand_shape %[[SLICE]] {{.+}} : tensor<1x4x2x3xi8> into tensor<1x2x2x2x3xi8>
// CHECK:         %[[Y:.+]] = msq.dequantize %[[WIDE]],
// CHECK-NEXT:    return %[[Y]]
func.func @chain(%q: tensor<1x4x2x6xi8>) -> tensor<1x2x2x2x3xf32> {
  %scale = arith.constant dense<0.5> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %x = msq.dequantize %q, %scale, %zero {format = #msq.format<signed, 4>}
      : tensor<1x4x2x6xi8>, tensor<f32>, tensor<i32> -> tensor<1x4x2x6xf32>
  %slice = tensor.extract_slice %x[0, 0, 0, 3] [1, 4, 2, 3] [1, 1, 1, 1] : tensor<1x4x2x6xf32> to tensor<1x4x2x3xf32>
  %y = tensor.expand_shape %slice [[0], [1, 2], [3], [4]] output_shape [1, 2, 2, 2, 3]
      : tensor<1x4x2x3xf32> into tensor<1x2x2x2x3xf32>
  return %y : tensor<1x2x2x2x3xf32>
}

// Scales per channel do not commute with data movement.
// CHECK-LABEL: func.func @per_channel
// CHECK:         %[[X:.+]] = msq.dequantize
// CHECK-NEXT:    tensor.collapse_shape %[[X]]
func.func @per_channel(%q: tensor<1x4x2x2xi8>, %scale: tensor<4xf32>) -> tensor<1x16xf32> {
  %zero = arith.constant dense<0> : tensor<i32>
  %x = msq.dequantize %q, %scale, %zero {axis = 1 : i64, format = #msq.format<unsigned, 4>}
      : tensor<1x4x2x2xi8>, tensor<4xf32>, tensor<i32> -> tensor<1x4x2x2xf32>
  %y = tensor.collapse_shape %x [[0], [1, 2, 3]] : tensor<1x4x2x2xf32> into tensor<1x16xf32>
  return %y : tensor<1x16xf32>
}

// Constant codes stay behind their dequantizer: they are weights.
// CHECK-LABEL: func.func @weights
// CHECK:         %[[X:.+]] = msq.dequantize
// CHECK-NEXT:    tensor.collapse_shape %[[X]]
func.func @weights() -> tensor<4xf32> {
  %q = arith.constant dense<[[1, 2], [3, 4]]> : tensor<2x2xi8>
  %scale = arith.constant dense<0.5> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %x = msq.dequantize %q, %scale, %zero {format = #msq.format<signed, 4>}
      : tensor<2x2xi8>, tensor<f32>, tensor<i32> -> tensor<2x2xf32>
  %y = tensor.collapse_shape %x [[0, 1]] : tensor<2x2xf32> into tensor<4xf32>
  return %y : tensor<4xf32>
}

// Unsigned codes have the order of their values, so a maximum of codes is the code of the maximum.
// CHECK-LABEL: func.func @max_pool
// CHECK-SAME:    (%[[Q:.+]]: tensor<1x4x4x4xi8>)
// CHECK:         %[[MAX:.+]] = msq.pool %[[Q]] {{.+}} : tensor<1x4x4x4xi8> -> tensor<1x4x2x2xi8>
// CHECK:         msq.dequantize %[[MAX]],
func.func @max_pool(%q: tensor<1x4x4x4xi8>) -> tensor<1x4x2x2xf32> {
  %scale = arith.constant dense<0.5> : tensor<f32>
  %zero = arith.constant dense<3> : tensor<i32>
  %x = msq.dequantize %q, %scale, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x4x4x4xi8>, tensor<f32>, tensor<i32> -> tensor<1x4x4x4xf32>
  %y = msq.pool %x {kind = #msq.pool<max>, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x4x4x4xf32> -> tensor<1x4x2x2xf32>
  return %y : tensor<1x4x2x2xf32>
}

// Signed bytes of a caller are not ordered as unsigned bytes, which is how the kernel compares.
// CHECK-LABEL: func.func @max_pool_signed
// CHECK:         %[[X:.+]] = msq.dequantize
// CHECK-NEXT:    msq.pool %[[X]]
func.func @max_pool_signed(%q: tensor<1x4x4x4xi8>) -> tensor<1x4x2x2xf32> {
  %scale = arith.constant dense<0.5> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %x = msq.dequantize %q, %scale, %zero {format = #msq.format<signed, 4>}
      : tensor<1x4x4x4xi8>, tensor<f32>, tensor<i32> -> tensor<1x4x4x4xf32>
  %y = msq.pool %x {kind = #msq.pool<max>, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x4x4x4xf32> -> tensor<1x4x2x2xf32>
  return %y : tensor<1x4x2x2xf32>
}

// An average is no code.
// CHECK-LABEL: func.func @average_pool
// CHECK:         %[[X:.+]] = msq.dequantize
// CHECK-NEXT:    msq.pool %[[X]]
func.func @average_pool(%q: tensor<1x4x4x4xi8>) -> tensor<1x4x2x2xf32> {
  %scale = arith.constant dense<0.5> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %x = msq.dequantize %q, %scale, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x4x4x4xi8>, tensor<f32>, tensor<i32> -> tensor<1x4x4x4xf32>
  %y = msq.pool %x {kind = #msq.pool<average>, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x4x4x4xf32> -> tensor<1x4x2x2xf32>
  return %y : tensor<1x4x2x2xf32>
}

// Nearest resampling copies elements; interpolation makes new ones.
// CHECK-LABEL: func.func @resize
// CHECK-SAME:    (%[[Q:.+]]: tensor<1x4x4x4xi8>)
// CHECK-DAG:     %[[NEAR:.+]] = msq.resize %[[Q]] {{.+}}mode = "nearest"{{.+}} : tensor<1x4x4x4xi8> -> tensor<1x4x8x8xi8>
// CHECK-DAG:     %[[A:.+]] = msq.dequantize %[[NEAR]],
// CHECK-DAG:     %[[X:.+]] = msq.dequantize %[[Q]],
// CHECK-DAG:     %[[B:.+]] = msq.resize %[[X]] {{.+}}mode = "linear"
// CHECK:         return %[[A]], %[[B]]
func.func @resize(%q: tensor<1x4x4x4xi8>) -> (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) {
  %scale = arith.constant dense<0.5> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %x = msq.dequantize %q, %scale, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x4x4x4xi8>, tensor<f32>, tensor<i32> -> tensor<1x4x4x4xf32>
  %a = msq.resize %x {mode = "nearest", coordinates = "asymmetric", nearest = "floor",
      scales = array<f64: 1.0, 1.0, 2.0, 2.0>} : tensor<1x4x4x4xf32> -> tensor<1x4x8x8xf32>
  %b = msq.resize %x {mode = "linear", coordinates = "asymmetric", nearest = "floor",
      scales = array<f64: 1.0, 1.0, 2.0, 2.0>} : tensor<1x4x4x4xf32> -> tensor<1x4x8x8xf32>
  return %a, %b : tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>
}

// Equal formats concatenate as codes, also where their constants are distinct ops.
// CHECK-LABEL: func.func @concat
// CHECK-SAME:    (%[[P:.+]]: tensor<1x4x2x2xi8>, %[[Q:.+]]: tensor<1x2x2x2xi8>)
// CHECK:         %[[BOTH:.+]] = tensor.concat dim(1) %[[P]], %[[Q]] : (tensor<1x4x2x2xi8>, tensor<1x2x2x2xi8>) -> tensor<1x6x2x2xi8>
// CHECK:         msq.dequantize %[[BOTH]],
func.func @concat(%p: tensor<1x4x2x2xi8>, %q: tensor<1x2x2x2xi8>) -> tensor<1x6x2x2xf32> {
  %scale = arith.constant dense<0.5> : tensor<f32>
  %same = arith.constant dense<0.5> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %a = msq.dequantize %p, %scale, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x4x2x2xi8>, tensor<f32>, tensor<i32> -> tensor<1x4x2x2xf32>
  %b = msq.dequantize %q, %same, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x2x2x2xi8>, tensor<f32>, tensor<i32> -> tensor<1x2x2x2xf32>
  %y = tensor.concat dim(1) %a, %b : (tensor<1x4x2x2xf32>, tensor<1x2x2x2xf32>) -> tensor<1x6x2x2xf32>
  return %y : tensor<1x6x2x2xf32>
}

// Codes of different scales mean different values: through float (numerics N6).
// CHECK-LABEL: func.func @concat_unequal
// CHECK:         tensor.concat {{.+}} : (tensor<1x4x2x2xf32>, tensor<1x2x2x2xf32>) -> tensor<1x6x2x2xf32>
func.func @concat_unequal(%p: tensor<1x4x2x2xi8>, %q: tensor<1x2x2x2xi8>) -> tensor<1x6x2x2xf32> {
  %scale = arith.constant dense<0.5> : tensor<f32>
  %other = arith.constant dense<0.25> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %a = msq.dequantize %p, %scale, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x4x2x2xi8>, tensor<f32>, tensor<i32> -> tensor<1x4x2x2xf32>
  %b = msq.dequantize %q, %other, %zero {format = #msq.format<unsigned, 4>}
      : tensor<1x2x2x2xi8>, tensor<f32>, tensor<i32> -> tensor<1x2x2x2xf32>
  %y = tensor.concat dim(1) %a, %b : (tensor<1x4x2x2xf32>, tensor<1x2x2x2xf32>) -> tensor<1x6x2x2xf32>
  return %y : tensor<1x6x2x2xf32>
}

// Zero is the code of the zero point.
// CHECK-LABEL: func.func @pad
// CHECK-SAME:    (%[[Q:.+]]: tensor<1x4x2x2xi8>)
// CHECK:         %[[CODE:.+]] = arith.constant -126 : i8
// CHECK:         %[[PADDED:.+]] = tensor.pad %[[Q]] low[0, 0, 1, 1] high[0, 0, 1, 1]
// CHECK:           tensor.yield %[[CODE]] : i8
// CHECK:         msq.dequantize %[[PADDED]],
func.func @pad(%q: tensor<1x4x2x2xi8>) -> tensor<1x4x4x4xf32> {
  %scale = arith.constant dense<0.5> : tensor<f32>
  %zero = arith.constant dense<130> : tensor<i32>
  %nothing = arith.constant 0.0 : f32
  %x = msq.dequantize %q, %scale, %zero {format = #msq.format<unsigned, 8>}
      : tensor<1x4x2x2xi8>, tensor<f32>, tensor<i32> -> tensor<1x4x2x2xf32>
  %y = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {
  ^bb0(%n: index, %c: index, %h: index, %w: index):
    tensor.yield %nothing : f32
  } : tensor<1x4x2x2xf32> to tensor<1x4x4x4xf32>
  return %y : tensor<1x4x4x4xf32>
}

// Another value may have no code.
// CHECK-LABEL: func.func @pad_one
// CHECK:         tensor.pad {{.+}}
// CHECK:         tensor<1x4x2x2xf32> to tensor<1x4x4x4xf32>
func.func @pad_one(%q: tensor<1x4x2x2xi8>) -> tensor<1x4x4x4xf32> {
  %scale = arith.constant dense<0.3> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %one = arith.constant 1.0 : f32
  %x = msq.dequantize %q, %scale, %zero {format = #msq.format<unsigned, 8>}
      : tensor<1x4x2x2xi8>, tensor<f32>, tensor<i32> -> tensor<1x4x2x2xf32>
  %y = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {
  ^bb0(%n: index, %c: index, %h: index, %w: index):
    tensor.yield %one : f32
  } : tensor<1x4x2x2xf32> to tensor<1x4x4x4xf32>
  return %y : tensor<1x4x4x4xf32>
}

// Signed activations become unsigned codes with the zero point moved by half the range: kernels read unsigned bytes.
// CHECK-LABEL: func.func @signed_activation
// CHECK-SAME:    (%[[X:.+]]: tensor<1x4xf32>)
// CHECK:         %[[MOVED:.+]] = arith.constant dense<8> : tensor<i32>
// CHECK:         %[[Q:.+]] = msq.quantize %[[X]], %{{.+}}, %[[MOVED]] {format = #msq.format<unsigned, 4>}
// CHECK-NEXT:    msq.dequantize %[[Q]], %{{.+}}, %[[MOVED]] {format = #msq.format<unsigned, 4>}
func.func @signed_activation(%x: tensor<1x4xf32>) -> tensor<1x4xf32> {
  %scale = arith.constant dense<0.5> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %q = msq.quantize %x, %scale, %zero {format = #msq.format<signed, 4>}
      : tensor<1x4xf32>, tensor<f32>, tensor<i32> -> tensor<1x4xi8>
  %y = msq.dequantize %q, %scale, %zero {format = #msq.format<signed, 4>}
      : tensor<1x4xi8>, tensor<f32>, tensor<i32> -> tensor<1x4xf32>
  return %y : tensor<1x4xf32>
}

// Codes that somebody else reads keep their meaning.
// CHECK-LABEL: func.func @signed_output
// CHECK:         msq.quantize {{.+}} {format = #msq.format<signed, 4>}
func.func @signed_output(%x: tensor<1x4xf32>) -> tensor<1x4xi8> {
  %scale = arith.constant dense<0.5> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %q = msq.quantize %x, %scale, %zero {format = #msq.format<signed, 4>}
      : tensor<1x4xf32>, tensor<f32>, tensor<i32> -> tensor<1x4xi8>
  return %q : tensor<1x4xi8>
}

// `narrow` goes along: its lowest code stays unused.
// CHECK-LABEL: func.func @signed_narrow
// CHECK:         %[[MOVED:.+]] = arith.constant dense<8> : tensor<i32>
// CHECK:         msq.quantize %{{.+}}, %{{.+}}, %[[MOVED]] {format = #msq.format<unsigned, 4, narrow>}
func.func @signed_narrow(%x: tensor<1x4xf32>) -> tensor<1x4xf32> {
  %scale = arith.constant dense<0.5> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i32>
  %q = msq.quantize %x, %scale, %zero {format = #msq.format<signed, 4, narrow>}
      : tensor<1x4xf32>, tensor<f32>, tensor<i32> -> tensor<1x4xi8>
  %y = msq.dequantize %q, %scale, %zero {format = #msq.format<signed, 4, narrow>}
      : tensor<1x4xi8>, tensor<f32>, tensor<i32> -> tensor<1x4xf32>
  return %y : tensor<1x4xf32>
}
