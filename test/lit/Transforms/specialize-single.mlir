// RUN: anybit-opt %s --anybit-specialize=candidates=w4a4 --verify-diagnostics

// Who asks for a candidate of a file that has none learns what it has.
// expected-error@+1 {{the model has no candidate w4a4, it has f32}}
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
