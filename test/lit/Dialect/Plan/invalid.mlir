// RUN: anybit-opt %s --split-input-file --verify-diagnostics

// Every message of the verifiers.

// expected-error@+1 {{'plan.signature' op needs a name for every tensor}}
plan.signature inputs ["x", "z"] types [tensor<4xf32>] outputs ["y"] types [tensor<4xf32>]

// -----

// expected-error@+1 {{'plan.signature' op needs a name for every tensor}}
plan.signature inputs ["x"] types [tensor<4xf32>] outputs ["y"] types []

// -----

// The descriptor has room for tensors of known size only.
// expected-error@+1 {{'plan.signature' op has the type 'tensor<?xf32>', expected a tensor of static shape}}
plan.signature inputs ["x"] types [tensor<?xf32>] outputs ["y"] types [tensor<4xf32>]

// -----

// expected-error@+1 {{'plan.signature' op has the type 'f32', expected a tensor of static shape}}
plan.signature inputs ["x"] types [tensor<4xf32>] outputs ["y"] types [f32]

// -----

// expected-error@+1 {{'plan.variant' op has an arena of -64 bytes}}
plan.variant @w8a8 arena -64 {
}

// -----

// expected-error@+1 {{'plan.variant' op holds dispatches and rebuilds only}}
plan.variant @w8a8 arena 0 {
  // expected-note@+1 {{this is neither}}
  %c = arith.constant 0 : i32
}

// -----

plan.variant @w8a8 arena 0 {
  // expected-error@+1 {{'plan.dispatch' op has a negative grid or a negative count of multiply-accumulates}}
  plan.dispatch @conv layer "conv1" grid -1 []
}

// -----

plan.variant @w8a8 arena 0 {
  // expected-error@+1 {{'plan.dispatch' op has a negative grid or a negative count of multiply-accumulates}}
  plan.dispatch @conv layer "conv1" grid 1 [] {macs = -1 : i64}
}

// -----

plan.variant @w8a8 arena 0 {
  // expected-error@+1 {{'plan.dispatch' op has a claim of 0 of a grid of 4}}
  plan.dispatch @conv layer "conv1" grid 4 claim 0 []
}

// -----

plan.variant @w8a8 arena 0 {
  // expected-error@+1 {{'plan.dispatch' op has a claim of 5 of a grid of 4}}
  plan.dispatch @conv layer "conv1" grid 4 claim 5 []
}

// -----

plan.variant @w8a8 arena 64 {
  // expected-error@+1 {{'plan.dispatch' op has an argument at byte 65 of an arena of 64}}
  plan.dispatch @conv layer "conv1" grid 1 [#plan.argument<arena, offset = 65>]
}

// -----

plan.variant @w8a8 arena 64 {
  // expected-error@+1 {{'plan.dispatch' op needs a symbol for constants, and for constants only}}
  plan.dispatch @conv layer "conv1" grid 1 [#plan.argument<constant, offset = 4>]
}

// -----

plan.variant @w8a8 arena 64 {
  // expected-error@+1 {{'plan.dispatch' op needs a symbol for constants, and for constants only}}
  plan.dispatch @conv layer "conv1" grid 1 [#plan.argument<arena, symbol = @weights>]
}

// -----

// expected-error@+1 {{'plan.dispatch' op expects parent op 'plan.variant'}}
plan.dispatch @conv layer "conv1" grid 1 []

// -----

plan.variant @w8a8 arena 64 {
  // expected-error@+2 {{expected ::anybit::plan::ArgumentKind to be one of: arena, constant, input, output, slot}}
  // expected-error@+1 {{failed to parse Plan_ArgumentAttr parameter 'kind'}}
  plan.dispatch @conv layer "conv1" grid 1 [#plan.argument<stack>]
}

// -----

// Two variants of one name cannot be told apart.
plan.variant @w8a8 arena 0 { // expected-note {{see existing symbol definition here}}
}
// expected-error@+1 {{redefinition of symbol named 'w8a8'}}
plan.variant @w8a8 arena 0 {
}

// -----

plan.variant @w8a8 arena 64 {
  // expected-error@+1 {{'plan.dispatch' op uses @conv, which is no kernel of the module}}
  plan.dispatch @conv layer "conv1" grid 1 []
}

// -----

plan.constant @conv = dense<0> : tensor<64xi8>
plan.variant @w8a8 arena 64 {
  // expected-error@+1 {{'plan.dispatch' op uses @conv, which is no kernel of the module}}
  plan.dispatch @conv layer "conv1" grid 1 []
}

// -----

func.func private @conv()
plan.variant @w8a8 arena 64 {
  // expected-error@+1 {{'plan.dispatch' op uses @weights, which is no constant of the module}}
  plan.dispatch @conv layer "conv1" grid 1 [#plan.argument<constant, symbol = @weights>]
}

// -----

// expected-error@+1 {{'plan.master' op uses @values, which is no constant of the module}}
plan.master @weights layer "conv1" values @values shape [16, 16, 3, 3, 1] layout 1 wavelet 0

// -----

plan.constant @values = dense<0.0> : tensor<1xf16>
plan.variant @w4a4 arena 64 attributes {slot_bytes = 4096 : i64} {
  // expected-error@+1 {{'plan.rebuild' op uses @values, which is no master of the module}}
  plan.rebuild @values scales @values alpha [1.0, 1.0, 1.0, 1.0] {format = 0 : i32, bits = 4 : i32,
      column_block = 16 : i32, storage_bits = 4 : i32, taps_in_run = 1 : i32, input_zero = 0 : i32,
      weight_offset = 0 : i64, initial_offset = 1152 : i64}
}

// -----

plan.constant @values = dense<0.0> : tensor<1xf16>
plan.master @weights layer "conv1" values @values shape [1, 1, 1, 1, 1] layout 1 wavelet 0
plan.variant @w4a4 arena 64 attributes {slot_bytes = 4096 : i64} {
  // expected-error@+1 {{'plan.rebuild' op uses @scales, which is no constant of the module}}
  plan.rebuild @weights scales @scales alpha [1.0, 1.0, 1.0, 1.0] {format = 0 : i32, bits = 4 : i32,
      column_block = 16 : i32, storage_bits = 4 : i32, taps_in_run = 1 : i32, input_zero = 0 : i32,
      weight_offset = 0 : i64, initial_offset = 1152 : i64}
}
