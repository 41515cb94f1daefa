// RUN: anybit-opt %s | anybit-opt | FileCheck %s
// RUN: anybit-opt %s --mlir-print-op-generic | anybit-opt | FileCheck %s
// RUN: anybit-opt %s --emit-bytecode | anybit-opt | FileCheck %s

// Every op and attribute survives text, generic text and bytecode.

// CHECK: plan.signature inputs ["x"] types [tensor<1x3x8x8xf32>] outputs ["y"] types [tensor<1x10xf32>]
plan.signature inputs ["x"] types [tensor<1x3x8x8xf32>] outputs ["y"] types [tensor<1x10xf32>]

// CHECK-NEXT: plan.constant @weights = dense<0> : tensor<64xi8>
plan.constant @weights = dense<0> : tensor<64xi8>

// A large constant is a blob; the op does not care.
// CHECK-NEXT: plan.constant @blob = dense_resource<blob> : tensor<4xi8>
plan.constant @blob = dense_resource<blob> : tensor<4xi8>

// CHECK: func.func @conv
func.func @conv(%input: !llvm.ptr, %output: !llvm.ptr, %begin: i64, %end: i64, %scratch: !llvm.ptr)
    attributes {anybit.family = "conv-dot4", anybit.kernel} {
  return
}

// An empty variant is a network that does nothing.
// CHECK: plan.variant @w8a8 arena 0 {
// CHECK-NEXT: }
plan.variant @w8a8 arena 0 {
}

// Indices and offsets of 0 and counts of 0 are not written.
// CHECK:      plan.variant @w4a4 arena 4096 {
// CHECK-NEXT:   plan.dispatch @conv layer "conv1" grid 196 [#plan.argument<input>, #plan.argument<arena, offset = 64>]{{$}}
// CHECK-NEXT:   plan.dispatch @conv layer "" grid 0 [#plan.argument<arena, offset = 128>, #plan.argument<output, index = 1>] {macs = 1000 : i64}
// CHECK-NEXT:   plan.dispatch @conv layer "fc" grid 1 [#plan.argument<constant, symbol = @weights>, #plan.argument<slot, index = 2, offset = 8>]
// CHECK-NEXT:   plan.dispatch @conv layer "fc" grid 1 [#plan.argument<input>, #plan.argument<arena, offset = 4096>]
// CHECK-NEXT: }
plan.variant @w4a4 arena 4096 {
  plan.dispatch @conv layer "conv1" grid 196 [#plan.argument<input>, #plan.argument<arena, offset = 64>]
  plan.dispatch @conv layer "" grid 0 [#plan.argument<arena, offset = 128>, #plan.argument<output, index = 1>]
      {macs = 1000 : i64}
  plan.dispatch @conv layer "fc" grid 1 [#plan.argument<constant, symbol = @weights>,
                                         #plan.argument<slot, index = 2, offset = 8>]
  plan.dispatch @conv layer "fc" grid 1 [#plan.argument<input, index = 0>, #plan.argument<arena, offset = 4096>]
}

{-#
  dialect_resources: {
    builtin: {
      blob: "0x0400000001020304"
    }
  }
#-}
