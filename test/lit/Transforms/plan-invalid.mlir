// RUN: anybit-opt %s --split-input-file --verify-diagnostics --anybit-plan=target=x86-64

// What earlier passes could not lower is reported with its name.
func.func @batch_norm(%x: tensor<1x2x8xf32>, %p: tensor<2xf32>) -> tensor<1x2x8xf32> attributes {anybit.candidate = "f32"} {
  // expected-error@+1 {{'msq.batch_norm' op has no kernel}}
  %y = msq.batch_norm %x, %p, %p, %p, %p {epsilon = 1.0 : f64} : tensor<1x2x8xf32>, tensor<2xf32>
  return %y : tensor<1x2x8xf32>
}

// -----

func.func @pad(%x: tensor<2x2xf32>) -> tensor<3x3xf32> attributes {anybit.candidate = "f32"} {
  // expected-error@+1 {{'tensor.pad' op pads with a value that is not constant}}
  %y = tensor.pad %x low[1, 1] high[0, 0] {
  ^bb0(%i: index, %j: index):
    %row = arith.index_cast %i : index to i32
    %value = arith.sitofp %row : i32 to f32
    tensor.yield %value : f32
  } : tensor<2x2xf32> to tensor<3x3xf32>
  return %y : tensor<3x3xf32>
}

// -----

#all = affine_map<(i) -> (i)>
#none = affine_map<(i) -> ()>
func.func @accumulate(%x: tensor<4xf32>, %start: tensor<f32>) -> tensor<f32> attributes {anybit.candidate = "f32"} {
  // expected-error@+1 {{'linalg.generic' op accumulates onto a tensor that is not filled with a constant}}
  %y = linalg.generic {indexing_maps = [#all, #none], iterator_types = ["reduction"]}
      ins(%x : tensor<4xf32>) outs(%start : tensor<f32>) {
  ^bb0(%v: f32, %so_far: f32):
    %s = arith.addf %v, %so_far : f32
    linalg.yield %s : f32
  } -> tensor<f32>
  return %y : tensor<f32>
}

// -----

// expected-error@+1 {{'func.func' op takes or returns 'f32', expected tensors of static shape}}
func.func @w8a8(%x: tensor<4xf32>, %y: f32) -> tensor<4xf32> attributes {anybit.candidate = 0 : i64} {
  return %x : tensor<4xf32>
}

// -----

// expected-error@+1 {{'func.func' op takes or returns 'tensor<?xf32>', expected tensors of static shape}}
func.func @w8a8(%x: tensor<?xf32>) -> tensor<?xf32> attributes {anybit.candidate = 0 : i64} {
  return %x : tensor<?xf32>
}
// expected-error@+1 {{'func.func' op takes or returns 'memref<4xf32>', expected tensors of static shape}}
func.func @w4a4(%x: tensor<4xf32>, %y: memref<4xf32>) attributes {anybit.candidate = 1 : i64} {
  return
}

// -----

// expected-error@+1 {{unsupported: takes or returns 'tensor<1x1x1x1x1x1x1x1x2xf32>' of rank 9, artifacts hold up to 8}}
func.func @w8a8(%x: tensor<1x1x1x1x1x1x1x1x2xf32>) attributes {anybit.candidate = 0 : i64} {
  return
}

// -----

// expected-error@+1 {{'func.func' op is a candidate without a body}}
func.func private @w8a8(tensor<4xf32>) attributes {anybit.candidate = 0 : i64}
