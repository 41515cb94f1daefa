// RUN: anybit-opt %s --split-input-file --verify-diagnostics

// Every message of the verifiers. Convolutions are in generic form, so that every property is in sight.

func.func @no_result(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>) {
  // expected-error@+1 {{'lowbit.conv' op has no result}}
  "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    lowbit.yield
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>) -> ()
  return
}

// -----

// A matrix product is a convolution with a 1x1 kernel, not one without a kernel.
func.func @one_spatial_dimension(%x: tensor<1x4xi8>, %w: tensor<4x4xi8>) {
  // expected-error@+1 {{'lowbit.conv' op works on 1 or 2 spatial dimensions, got 0}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64>, pads = array<i64>,
      strides = array<i64>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4xi8>, tensor<4x4xi8>) -> tensor<1x4xf32>
  return
}

// -----

func.func @result_rank(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>) {
  // expected-error@+1 {{'lowbit.conv' op turns 'tensor<1x4x8x8xi8>' into 'tensor<4xf32>', expected equal ranks and batch sizes}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>) -> tensor<4xf32>
  return
}

// -----

func.func @batch(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>) {
  // expected-error@+1 {{'lowbit.conv' op turns 'tensor<1x4x8x8xi8>' into 'tensor<2x4x8x8xf32>', expected equal ranks and batch sizes}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>) -> tensor<2x4x8x8xf32>
  return
}

// -----

func.func @strides(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>) {
  // expected-error@+1 {{'lowbit.conv' op needs 2 strides, dilations and kernel sizes and 4 pads}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @dilations(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>) {
  // expected-error@+1 {{'lowbit.conv' op needs 2 strides, dilations and kernel sizes and 4 pads}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @kernel(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>) {
  // expected-error@+1 {{'lowbit.conv' op needs 2 strides, dilations and kernel sizes and 4 pads}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @pads(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>) {
  // expected-error@+1 {{'lowbit.conv' op needs 2 strides, dilations and kernel sizes and 4 pads}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @stride_of_nothing(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>) {
  // expected-error@+1 {{'lowbit.conv' op has a stride, dilation or kernel size below 1 or a negative pad}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 0, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @negative_pad(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>) {
  // expected-error@+1 {{'lowbit.conv' op has a stride, dilation or kernel size below 1 or a negative pad}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, -1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @reads_past_its_input(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>) {
  // expected-error@+1 {{'lowbit.conv' op reads past its padded input in dimension 3: 9 windows do not fit 10 positions}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>) -> tensor<1x4x8x9xf32>
  return
}

// -----

func.func @no_groups(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>) {
  // expected-error@+1 {{'lowbit.conv' op has 0 groups for 4 inputs and 4 outputs}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 0 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @groups_of_inputs(%x: tensor<1x4x8x8xi8>, %w: tensor<6x1x3x3xi8>) {
  // expected-error@+1 {{'lowbit.conv' op has 3 groups for 4 inputs and 6 outputs}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 3 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<6x1x3x3xi8>) -> tensor<1x6x8x8xf32>
  return
}

// -----

func.func @groups_of_outputs(%x: tensor<1x4x8x8xi8>, %w: tensor<3x2x3x3xi8>) {
  // expected-error@+1 {{'lowbit.conv' op has 2 groups for 4 inputs and 3 outputs}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 2 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<3x2x3x3xi8>) -> tensor<1x3x8x8xf32>
  return
}

// -----

func.func @mixed_types(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xf32>) {
  // expected-error@+1 {{'lowbit.conv' op mixes an input of type 'tensor<1x4x8x8xi8>' with weights of type 'tensor<4x4x3x3xf32>'}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xf32>) -> tensor<1x4x8x8xf32>
  return
}

// -----

// Bytes mean nothing without a format (numerics N2).
func.func @no_format(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>) {
  // expected-error@+1 {{'lowbit.conv' op needs a weight format for codes}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @weights_of_another_layer(%x: tensor<1x4x8x8xi8>, %w: tensor<4x3x3x3xi8>) {
  // expected-error@+1 {{'lowbit.conv' op has weights of type 'tensor<4x3x3x3xi8>', expected 'tensor<4x4x3x3xi8>'}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x3x3x3xi8>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @weights_of_another_rank(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4xi8>) {
  // expected-error@+1 {{'lowbit.conv' op has weights of type 'tensor<4x4xi8>', expected 'tensor<4x4x3x3xi8>'}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x4xi8>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @packed_rank(%x: tensor<1x4x8x8xi8>, %w: tensor<4x72xi8, #lowbit.packed<dot4, columns = 8, bits = 8, taps = 1, planes = 1>>, %i: tensor<8xi32>) {
  // expected-error@+1 {{'lowbit.conv' op has packed weights of rank 2, expected 1, or 5 when computed at run time}}
  %y = "lowbit.conv"(%x, %w, %i) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 1, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x72xi8, #lowbit.packed<dot4, columns = 8, bits = 8, taps = 1, planes = 1>>, tensor<8xi32>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @packed_without_start(%x: tensor<1x4x8x8xi8>, %w: tensor<288xi8, #lowbit.packed<dot4, columns = 8, bits = 8, taps = 1, planes = 1>>) {
  // expected-error@+1 {{'lowbit.conv' op needs initial accumulators for packed codes, and for those only}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<288xi8, #lowbit.packed<dot4, columns = 8, bits = 8, taps = 1, planes = 1>>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @real_with_start(%x: tensor<1x4x8x8xf32>, %w: tensor<288xf32, #lowbit.packed<real, columns = 8, bits = 32, taps = 1, planes = 1>>, %i: tensor<8xi32>) {
  // expected-error@+1 {{'lowbit.conv' op needs initial accumulators for packed codes, and for those only}}
  %y = "lowbit.conv"(%x, %w, %i) ({
  ^bb0(%acc: f32):
    lowbit.yield %acc : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 1, 0>}
      : (tensor<1x4x8x8xf32>, tensor<288xf32, #lowbit.packed<real, columns = 8, bits = 32, taps = 1, planes = 1>>, tensor<8xi32>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @result_shapes(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>) {
  // expected-error@+1 {{'lowbit.conv' op has results of different shapes}}
  %y:2 = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real, %real : f32, f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>) -> (tensor<1x4x8x8xf32>, tensor<1x4x8x7xf32>)
  return
}

// -----

func.func @parameter_of_fewer_channels(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>, %p0: tensor<3xf32>) {
  // expected-error@+1 {{'lowbit.conv' op has a parameter of type 'tensor<3xf32>', expected 4 channels or the result's shape}}
  %y = "lowbit.conv"(%x, %w, %p0) ({
  ^bb0(%acc: i32, %q0: f32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 1>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>, tensor<3xf32>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @parameter_of_another_shape(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>, %p0: tensor<1x4x1x1xf32>) {
  // expected-error@+1 {{'lowbit.conv' op has a parameter of type 'tensor<1x4x1x1xf32>', expected 4 channels or the result's shape}}
  %y = "lowbit.conv"(%x, %w, %p0) ({
  ^bb0(%acc: i32, %q0: f32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 1>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>, tensor<1x4x1x1xf32>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @epilogue_arguments(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>, %p0: tensor<4xf32>) {
  // expected-error@+1 {{'lowbit.conv' op has an epilogue of 1 arguments for an accumulator and 1 parameters}}
  %y = "lowbit.conv"(%x, %w, %p0) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 1>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>, tensor<4xf32>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @accumulator_of_codes(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>) {
  // expected-error@+1 {{'lowbit.conv' op accumulates in 'i32', but its epilogue takes 'f32'}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: f32):
    lowbit.yield %acc : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @accumulator_of_reals(%x: tensor<1x4x8x8xf32>, %w: tensor<4x4x3x3xf32>) {
  // expected-error@+1 {{'lowbit.conv' op accumulates in 'f32', but its epilogue takes 'i32'}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xf32>, tensor<4x4x3x3xf32>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @epilogue_argument_type(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>, %p0: tensor<4xf32>) {
  // expected-error@+1 {{'lowbit.conv' op has an epilogue argument of type 'i8' for a parameter of type 'tensor<4xf32>'}}
  %y = "lowbit.conv"(%x, %w, %p0) ({
  ^bb0(%acc: i32, %q0: i8):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 1>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>, tensor<4xf32>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @yields_too_few(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>) {
  // expected-error@+1 {{'lowbit.conv' op must yield one element for each of its 2 results}}
  %y:2 = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>) -> (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>)
  return
}

// -----

func.func @yields_another_type(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>) {
  // expected-error@+1 {{'lowbit.conv' op yields 'f32' for a result of type 'tensor<1x4x8x8xi8>'}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero = 0 : i32, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32,
      operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>) -> tensor<1x4x8x8xi8>
  return
}

// -----

func.func @empty_range(%value: f32) -> i8 {
  // expected-error@+1 {{'lowbit.round' op has codes from 3 to 2, expected 1 to 256 codes}}
  %code = lowbit.round %value {low = 3 : i32, high = 2 : i32, zero = 0 : i32} : f32
  return %code : i8
}

// -----

// A code is one byte.
func.func @wide_range(%value: f32) -> i8 {
  // expected-error@+1 {{'lowbit.round' op has codes from -1 to 255, expected 1 to 256 codes}}
  %code = lowbit.round %value {low = -1 : i32, high = 255 : i32, zero = 0 : i32} : f32
  return %code : i8
}

// -----

func.func @yield_outside(%value: f32) {
  // expected-error@+1 {{'lowbit.yield' op expects parent op 'lowbit.conv'}}
  lowbit.yield %value : f32
}

// -----

// expected-error@+2 {{expected ::anybit::lowbit::Family to be one of: dot4, depthwise, real}}
// expected-error@+1 {{failed to parse Lowbit_PackedAttr parameter 'family'}}
func.func private @unknown_family(tensor<8xi8, #lowbit.packed<dot8, columns = 8, bits = 8, taps = 1, planes = 1>>)

// -----

func.func @input_high(%x: tensor<1x4x8x8xi8>, %w: tensor<4x4x3x3xi8>) {
  // expected-error@+1 {{'lowbit.conv' op has 256 as highest input code, expected 0 to 255}}
  %y = "lowbit.conv"(%x, %w) ({
  ^bb0(%acc: i32):
    %real = arith.sitofp %acc : i32 to f32
    lowbit.yield %real : f32
  }) {dilations = array<i64: 1, 1>, groups = 1 : i64, input_high = 256 : i32, input_zero = 0 : i32, kernel = array<i64: 3, 3>,
      pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>, weight_format = #msq.format<signed, 4>,
      weight_zero = 0 : i32, operandSegmentSizes = array<i32: 1, 1, 0, 0>}
      : (tensor<1x4x8x8xi8>, tensor<4x4x3x3xi8>) -> tensor<1x4x8x8xf32>
  return
}

// -----

// expected-error@+1 {{dot4 does not store weights in 3 bits}}
func.func private @packed(tensor<8xi8, #lowbit.packed<dot4, columns = 8, bits = 3, taps = 1, planes = 1>>)

// -----

// expected-error@+1 {{depthwise does not store weights in 4 bits}}
func.func private @packed(tensor<8xi8, #lowbit.packed<depthwise, columns = 8, bits = 4, taps = 1, planes = 1>>)

// -----

// expected-error@+1 {{real does not store weights in 8 bits}}
func.func private @packed(tensor<8xi8, #lowbit.packed<real, columns = 8, bits = 8, taps = 1, planes = 1>>)

// -----

// expected-error@+1 {{has blocks of 0 columns, expected a multiple of 4 at 8 bits}}
func.func private @packed(tensor<8xi8, #lowbit.packed<dot4, columns = 0, bits = 8, taps = 1, planes = 1>>)

// -----

// expected-error@+1 {{has blocks of 6 columns, expected a multiple of 4 at 32 bits}}
func.func private @packed(tensor<8xi8, #lowbit.packed<real, columns = 6, bits = 32, taps = 1, planes = 1>>)

// -----

// expected-error@+1 {{has blocks of 12 columns, expected a multiple of 8 at 1 bits}}
func.func private @packed(tensor<8xi8, #lowbit.packed<dot4, columns = 12, bits = 1, taps = 1, planes = 1>>)

// -----

// expected-error@+1 {{has runs of 0 taps, expected 1, or more for dot4 and amx}}
func.func private @packed(tensor<8xi8, #lowbit.packed<dot4, columns = 8, bits = 8, taps = 0, planes = 1>>)

// -----

// expected-error@+1 {{has runs of 3 taps, expected 1, or more for dot4 and amx}}
func.func private @packed(tensor<8xi8, #lowbit.packed<depthwise, columns = 8, bits = 8, taps = 3, planes = 1>>)

// -----

// expected-error@+1 {{has 0 planes, expected 1, or up to 3 for dot4 and amx at 8 bits}}
func.func private @packed(tensor<8xi8, #lowbit.packed<dot4, columns = 8, bits = 8, taps = 1, planes = 0>>)

// -----

// expected-error@+1 {{has 4 planes, expected 1, or up to 3 for dot4 and amx at 8 bits}}
func.func private @packed(tensor<8xi8, #lowbit.packed<dot4, columns = 8, bits = 8, taps = 1, planes = 4>>)

// -----

// expected-error@+1 {{has 2 planes, expected 1, or up to 3 for dot4 and amx at 8 bits}}
func.func private @packed(tensor<8xi8, #lowbit.packed<dot4, columns = 8, bits = 4, taps = 1, planes = 2>>)

// -----

// expected-error@+1 {{popcount does not store weights in 9 bits}}
func.func private @packed(tensor<8xi8, #lowbit.packed<popcount, columns = 8, bits = 9, taps = 1, planes = 1>>)

// -----

// expected-error@+1 {{has int16 sums of 4 steps, which only dot4 of one plane has}}
func.func private @packed(tensor<8xi8, #lowbit.packed<popcount, columns = 8, bits = 1, taps = 1, planes = 1, pair_steps = 4>>)
