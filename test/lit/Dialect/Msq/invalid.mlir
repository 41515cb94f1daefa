// RUN: anybit-opt %s --split-input-file --verify-diagnostics

// Every message of the verifiers.

// expected-error@+1 {{expected a format kind: signed, unsigned or odd, got ternary}}
#a = #msq.format<ternary, 2>

// -----

// expected-error@+1 {{a format has 1 to 8 bits, got 9}}
#a = #msq.format<signed, 9>

// -----

// expected-error@+1 {{a format has 1 to 8 bits, got 0}}
#a = #msq.format<unsigned, 0>

// -----

// expected-error@+1 {{narrow needs a signed or unsigned format of at least 2 bits}}
#a = #msq.format<odd, 4, narrow>

// -----

// expected-error@+1 {{narrow needs a signed or unsigned format of at least 2 bits}}
#a = #msq.format<signed, 1, narrow>

// -----

func.func @select_scalar(%candidate: tensor<i64>, %table: tensor<f32>) {
  // expected-error@+1 {{'msq.select' op needs a table with one row per candidate, got a scalar}}
  %row = msq.select %candidate, %table : tensor<f32> -> tensor<f32>
  return
}

// -----

func.func @select_shape(%candidate: tensor<i64>, %table: tensor<3x64xf32>) {
  // expected-error@+1 {{'msq.select' op yields 'tensor<32xf32>', but a row of its table is 'tensor<64xf32>'}}
  %row = msq.select %candidate, %table : tensor<3x64xf32> -> tensor<32xf32>
  return
}

// -----

func.func @select_type(%candidate: tensor<i64>, %table: tensor<3x64xf32>) {
  // expected-error@+1 {{'msq.select' op yields 'tensor<64xi32>', but a row of its table is 'tensor<64xf32>'}}
  %row = msq.select %candidate, %table : tensor<3x64xf32> -> tensor<64xi32>
  return
}

// -----

func.func @mix_rank(%w: tensor<16x1x8x3x3xf32>, %alpha: tensor<4xf32>) {
  // expected-error@+1 {{'msq.mix_bands' op mixes weights of rank 2 to 4, got rank 5}}
  %m = msq.mix_bands %w, %alpha {layout = #msq.layout<tile>, wavelet = #msq.wavelet<haar>} : tensor<16x1x8x3x3xf32>
  return
}

// -----

func.func @mix_factors(%w: tensor<16x8xf32>, %alpha: tensor<3xf32>) {
  // expected-error@+1 {{needs 4 band factors, got 3}}
  %m = "msq.mix_bands"(%w, %alpha) {layout = #msq.layout<tile>, wavelet = #msq.wavelet<haar>}
      : (tensor<16x8xf32>, tensor<3xf32>) -> tensor<16x8xf32>
  return
}

// -----

func.func @mix_groups(%w: tensor<16x8x3x3xf32>, %alpha: tensor<4xf32>) {
  // expected-error@+1 {{'msq.mix_bands' op has 16 outputs, not a multiple of 3 groups}}
  %m = msq.mix_bands %w, %alpha {groups = 3 : i64, layout = #msq.layout<tile>, wavelet = #msq.wavelet<haar>}
      : tensor<16x8x3x3xf32>
  return
}

// -----

func.func @mix_no_groups(%w: tensor<16x8x3x3xf32>, %alpha: tensor<4xf32>) {
  // expected-error@+1 {{'msq.mix_bands' op has 16 outputs, not a multiple of 0 groups}}
  %m = msq.mix_bands %w, %alpha {groups = 0 : i64, layout = #msq.layout<tile>, wavelet = #msq.wavelet<haar>}
      : tensor<16x8x3x3xf32>
  return
}

// -----

func.func @quantize_shape(%x: tensor<1x16xf32>, %s: tensor<f32>, %z: tensor<i32>) {
  // expected-error@+1 {{'msq.quantize' op has reals of type 'tensor<1x16xf32>' but codes of type 'tensor<16xi8>'}}
  %q = msq.quantize %x, %s, %z {format = #msq.format<signed, 8>}
      : tensor<1x16xf32>, tensor<f32>, tensor<i32> -> tensor<16xi8>
  return
}

// -----

func.func @dequantize_shape(%q: tensor<16xi8>, %s: tensor<f32>, %z: tensor<i32>) {
  // expected-error@+1 {{'msq.dequantize' op has reals of type 'tensor<1x16xf32>' but codes of type 'tensor<16xi8>'}}
  %x = msq.dequantize %q, %s, %z {format = #msq.format<signed, 8>}
      : tensor<16xi8>, tensor<f32>, tensor<i32> -> tensor<1x16xf32>
  return
}

// -----

func.func @quantize_axis(%x: tensor<1x16xf32>, %s: tensor<16xf32>, %z: tensor<i32>) {
  // expected-error@+1 {{'msq.quantize' op has axis 2, but the tensor has rank 2}}
  %q = msq.quantize %x, %s, %z {axis = 2 : i64, format = #msq.format<signed, 8>}
      : tensor<1x16xf32>, tensor<16xf32>, tensor<i32> -> tensor<1x16xi8>
  return
}

// -----

func.func @dequantize_axis(%q: tensor<1x16xi8>, %s: tensor<f32>, %z: tensor<16xi32>) {
  // expected-error@+1 {{'msq.dequantize' op has axis -1, but the tensor has rank 2}}
  %x = msq.dequantize %q, %s, %z {axis = -1 : i64, format = #msq.format<signed, 8>}
      : tensor<1x16xi8>, tensor<f32>, tensor<16xi32> -> tensor<1x16xf32>
  return
}

// -----

func.func @quantize_scale(%x: tensor<1x16xf32>, %s: tensor<8xf32>, %z: tensor<i32>) {
  // expected-error@+1 {{'msq.quantize' op has a parameter of type 'tensor<8xf32>', expected a scalar or 16 elements}}
  %q = msq.quantize %x, %s, %z {axis = 1 : i64, format = #msq.format<signed, 8>}
      : tensor<1x16xf32>, tensor<8xf32>, tensor<i32> -> tensor<1x16xi8>
  return
}

// -----

func.func @quantize_zero(%x: tensor<1x16xf32>, %s: tensor<16xf32>, %z: tensor<1x16xi32>) {
  // expected-error@+1 {{'msq.quantize' op has a parameter of type 'tensor<1x16xi32>', expected a scalar or 16 elements}}
  %q = msq.quantize %x, %s, %z {axis = 1 : i64, format = #msq.format<signed, 8>}
      : tensor<1x16xf32>, tensor<16xf32>, tensor<1x16xi32> -> tensor<1x16xi8>
  return
}

// -----

func.func @conv_rank(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3xf32>) {
  // expected-error@+1 {{'msq.conv' op needs input, weights and output of one rank of at least 3}}
  %y = msq.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
      : tensor<1x3x8x8xf32>, tensor<4x3x3xf32> -> tensor<1x4x6x6xf32>
  return
}

// -----

func.func @conv_3d(%x: tensor<1x3x8x8x8xf32>, %w: tensor<4x3x1x1x1xf32>) {
  // expected-error@+1 {{'msq.conv' op works on 1 or 2 spatial dimensions, got 3}}
  %y = msq.conv %x, %w {strides = array<i64: 1, 1, 1>, pads = array<i64: 0, 0, 0, 0, 0, 0>,
      dilations = array<i64: 1, 1, 1>} : tensor<1x3x8x8x8xf32>, tensor<4x3x1x1x1xf32> -> tensor<1x4x8x8x8xf32>
  return
}

// -----

func.func @conv_counts(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error@+1 {{'msq.conv' op needs 2 strides and dilations and 4 pads}}
  %y = msq.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1, 1>}
      : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x6x6xf32>
  return
}

// -----

func.func @conv_stride(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error@+1 {{'msq.conv' op has a stride or dilation below 1}}
  %y = msq.conv %x, %w {strides = array<i64: 1, 0>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
      : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x6x6xf32>
  return
}

// -----

func.func @conv_dilation(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error@+1 {{'msq.conv' op has a stride or dilation below 1}}
  %y = msq.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: -1, 1>}
      : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x6x6xf32>
  return
}

// -----

func.func @conv_pad(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error@+1 {{'msq.conv' op has a negative pad}}
  %y = msq.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, -1, 0, 0>, dilations = array<i64: 1, 1>}
      : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x6x6xf32>
  return
}

// -----

func.func @conv_channels(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error@+1 {{'msq.conv' op has 3 input channels, but 2 groups of 3}}
  %y = msq.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>,
      groups = 2 : i64} : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x6x6xf32>
  return
}

// -----

func.func @conv_filters(%x: tensor<1x4x8x8xf32>, %w: tensor<5x2x3x3xf32>) {
  // expected-error@+1 {{'msq.conv' op has 5 filters in 2 groups for 5 output channels}}
  %y = msq.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>,
      groups = 2 : i64} : tensor<1x4x8x8xf32>, tensor<5x2x3x3xf32> -> tensor<1x5x6x6xf32>
  return
}

// -----

func.func @conv_outputs(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error@+1 {{'msq.conv' op has 4 filters in 1 groups for 8 output channels}}
  %y = msq.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
      : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x8x6x6xf32>
  return
}

// -----

func.func @conv_batch(%x: tensor<2x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error@+1 {{'msq.conv' op changes the batch size}}
  %y = msq.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
      : tensor<2x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x6x6xf32>
  return
}

// -----

func.func @conv_extent(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error@+1 {{'msq.conv' op reads past its padded input in dimension 3: 7 windows do not fit 8 positions}}
  %y = msq.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>}
      : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x6x7xf32>
  return
}

// -----

func.func @norm_rank(%x: tensor<16xf32>, %p: tensor<16xf32>) {
  // expected-error@+1 {{'msq.batch_norm' op needs a channel dimension, got rank 1}}
  %y = msq.batch_norm %x, %p, %p, %p, %p {epsilon = 1.0e-5 : f64} : tensor<16xf32>, tensor<16xf32>
  return
}

// -----

func.func @norm_channels(%x: tensor<1x16x4xf32>, %p: tensor<8xf32>) {
  // expected-error@+1 {{'msq.batch_norm' op has 16 channels, but a parameter of type 'tensor<8xf32>'}}
  %y = msq.batch_norm %x, %p, %p, %p, %p {epsilon = 1.0e-5 : f64} : tensor<1x16x4xf32>, tensor<8xf32>
  return
}

// -----

func.func @pool_type(%x: tensor<1x4x8x8xf32>) {
  // expected-error@+1 {{'msq.pool' op turns 'tensor<1x4x8x8xf32>' into 'tensor<1x4x4x4xi8>'}}
  %y = msq.pool %x {kind = #msq.pool<max>, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x4x8x8xf32> -> tensor<1x4x4x4xi8>
  return
}

// -----

func.func @pool_kernel(%x: tensor<1x4x8x8xf32>) {
  // expected-error@+1 {{'msq.pool' op needs a kernel size per spatial dimension}}
  %y = msq.pool %x {kind = #msq.pool<max>, kernel = array<i64: 2>, strides = array<i64: 2, 2>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x4x8x8xf32> -> tensor<1x4x4x4xf32>
  return
}

// -----

func.func @pool_codes(%x: tensor<1x4x8x8xi8>) {
  // expected-error@+1 {{'msq.pool' op averages real values only}}
  %y = msq.pool %x {kind = #msq.pool<average>, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x4x8x8xi8> -> tensor<1x4x4x4xi8>
  return
}

// -----

// A window may reach past the input (ceil_mode), but must begin inside.
func.func @pool_extent(%x: tensor<1x4x8x8xf32>) {
  // expected-error@+1 {{'msq.pool' op reads past its padded input in dimension 2: 5 windows do not fit 8 positions}}
  %y = msq.pool %x {kind = #msq.pool<max>, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>,
      pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : tensor<1x4x8x8xf32> -> tensor<1x4x5x4xf32>
  return
}

// -----

func.func @resize_scales(%x: tensor<1x8x9x9xf32>) {
  // expected-error@+1 {{'msq.resize' op turns 'tensor<1x8x9x9xf32>' into 'tensor<1x8x18x18xf32>' with 2 scales}}
  %y = msq.resize %x {mode = "linear", coordinates = "asymmetric", nearest = "floor", scales = array<f64: 2.0, 2.0>}
      : tensor<1x8x9x9xf32> -> tensor<1x8x18x18xf32>
  return
}

// -----

func.func @resize_mode(%x: tensor<1x8x9x9xf32>) {
  // expected-error@+1 {{'msq.resize' op has mode cubic, expected nearest or linear}}
  %y = msq.resize %x {mode = "cubic", coordinates = "asymmetric", nearest = "floor",
      scales = array<f64: 1.0, 1.0, 2.0, 2.0>} : tensor<1x8x9x9xf32> -> tensor<1x8x18x18xf32>
  return
}

// -----

func.func @resize_codes(%x: tensor<1x8x9x9xi8>) {
  // expected-error@+1 {{'msq.resize' op interpolates real values only}}
  %y = msq.resize %x {mode = "linear", coordinates = "asymmetric", nearest = "floor",
      scales = array<f64: 1.0, 1.0, 2.0, 2.0>} : tensor<1x8x9x9xi8> -> tensor<1x8x18x18xi8>
  return
}
