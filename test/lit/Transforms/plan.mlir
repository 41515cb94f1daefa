// RUN: anybit-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(anybit-pack-weights{target=x86-64}),anybit-plan{target=x86-64})' | FileCheck %s

// Names and types of the caller, then one variant per candidate. Both candidates read the same weights and run the same
// kernel; what differs is the factor, another constant. The result is dense channels-last in the caller's memory where it
// has one position.
// CHECK-LABEL: plan.signature inputs ["image"] types [tensor<1x4x1x1xi8>] outputs ["logits"] types [tensor<1x4x1x1xf32>]
// CHECK:       plan.variant @a arena {{[0-9]+}} {
// CHECK-NEXT:    plan.dispatch @[[COPY:copy_[0-9]+]] layer "fc" grid 4 [#plan.argument<input>, #plan.argument<arena>]
// CHECK-NEXT:    plan.dispatch @[[CONV:conv_dot4_[0-9]+]] layer "fc" grid 1 [#plan.argument<arena>, #plan.argument<constant, symbol = @[[W:[a-z0-9_]+]]>, #plan.argument<constant, symbol = @[[INITIAL:[a-z0-9_]+]]>, #plan.argument<constant, symbol = @[[M1:[a-z0-9_]+]]>, #plan.argument<output>] {choice = "dot4:1, the only choice", macs = 16 : i64}
// CHECK-NEXT:  }
// CHECK:       plan.variant @b arena {{[0-9]+}} {
// CHECK-NEXT:    plan.dispatch @[[COPY]] layer "fc" grid 4
// CHECK-NEXT:    plan.dispatch @[[CONV]] layer "fc" grid 1 [#plan.argument<arena>, #plan.argument<constant, symbol = @[[W]]>, #plan.argument<constant, symbol = @[[INITIAL]]>, #plan.argument<constant, symbol = @[[M2:[a-z0-9_]+]]>, #plan.argument<output>] {choice = "dot4:1, the only choice", macs = 16 : i64}
// CHECK-NEXT:  }
// CHECK-NOT:   func.func @a
// CHECK-NOT:   func.func @b
module {
  func.func @a(%x: tensor<1x4x1x1xi8> {anybit.name = "image"}) -> (tensor<1x4x1x1xf32> {anybit.name = "logits"})
      attributes {anybit.candidate = "a"} {
    %w = arith.constant dense<1> : tensor<4x4x1x1xi8>
    %m = arith.constant dense<1.0> : tensor<4xf32>
    %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
        dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32,
        weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32} {
    ^bb0(%acc: i32, %m0: f32):
      %real = arith.sitofp %acc : i32 to f32
      %scaled = arith.mulf %real, %m0 : f32
      lowbit.yield %scaled : f32
    } : tensor<1x4x1x1xi8>, tensor<4x4x1x1xi8>, (tensor<4xf32>) -> tensor<1x4x1x1xf32> loc("fc")
    return %y : tensor<1x4x1x1xf32>
  }
  func.func @b(%x: tensor<1x4x1x1xi8> {anybit.name = "image"}) -> (tensor<1x4x1x1xf32> {anybit.name = "logits"})
      attributes {anybit.candidate = "b"} {
    %w = arith.constant dense<1> : tensor<4x4x1x1xi8>
    %m = arith.constant dense<2.0> : tensor<4xf32>
    %y = lowbit.conv %x, %w params(%m) attributes {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>,
        dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 1, 1>, input_zero = 0 : i32,
        weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32} {
    ^bb0(%acc: i32, %m0: f32):
      %real = arith.sitofp %acc : i32 to f32
      %scaled = arith.mulf %real, %m0 : f32
      lowbit.yield %scaled : f32
    } : tensor<1x4x1x1xi8>, tensor<4x4x1x1xi8>, (tensor<4xf32>) -> tensor<1x4x1x1xf32> loc("fc")
    return %y : tensor<1x4x1x1xf32>
  }
}

// -----

// Arena: three elementwise ops of 256 bytes each, and room of 64 behind every buffer. The first and the second result live
// at the same time and do not overlap; the first is dead when the third op, which the caller gets, has run.
// CHECK:       plan.variant @chain arena 640 {
// CHECK-NEXT:    plan.dispatch @{{.+}} [#plan.argument<input>, #plan.argument<arena>]
// CHECK-NEXT:    plan.dispatch @{{.+}} [#plan.argument<arena>, #plan.argument<arena, offset = 320>]
// CHECK-NEXT:    plan.dispatch @{{.+}} [#plan.argument<arena, offset = 320>, #plan.argument<arena>]
// CHECK-NEXT:    plan.dispatch @{{.+}} [#plan.argument<arena>, #plan.argument<output>]
// CHECK-NEXT:  }
#id = affine_map<(i, j) -> (i, j)>
func.func @chain(%x: tensor<4x16xf32>) -> tensor<4x16xf32> attributes {anybit.candidate = "chain"} {
  %empty = tensor.empty() : tensor<4x16xf32>
  %a = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<4x16xf32>) outs(%empty : tensor<4x16xf32>) {
  ^bb0(%v: f32, %out: f32):
    %r = math.absf %v : f32
    linalg.yield %r : f32
  } -> tensor<4x16xf32>
  %b = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%a : tensor<4x16xf32>) outs(%empty : tensor<4x16xf32>) {
  ^bb0(%v: f32, %out: f32):
    %r = math.sqrt %v : f32
    linalg.yield %r : f32
  } -> tensor<4x16xf32>
  %c = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%b : tensor<4x16xf32>) outs(%empty : tensor<4x16xf32>) {
  ^bb0(%v: f32, %out: f32):
    %r = math.floor %v : f32
    linalg.yield %r : f32
  } -> tensor<4x16xf32>
  %d = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%c : tensor<4x16xf32>) outs(%empty : tensor<4x16xf32>) {
  ^bb0(%v: f32, %out: f32):
    %r = arith.negf %v : f32
    linalg.yield %r : f32
  } -> tensor<4x16xf32>
  return %d : tensor<4x16xf32>
}

// -----

// Views cost nothing: a slice is an offset (column 8, 4 bytes each), a transpose other strides.
// CHECK:       plan.variant @views arena 0 {
// CHECK-NEXT:    plan.dispatch @{{.+}} [#plan.argument<input, offset = 32>, #plan.argument<output>]
// CHECK-NEXT:  }
#id = affine_map<(i, j) -> (i, j)>
func.func @views(%x: tensor<4x16xf32>) -> tensor<8x4xf32> attributes {anybit.candidate = "views"} {
  %slice = tensor.extract_slice %x[0, 8] [4, 8] [1, 1] : tensor<4x16xf32> to tensor<4x8xf32>
  %wide = tensor.empty() : tensor<8x4xf32>
  %t = linalg.transpose ins(%slice : tensor<4x8xf32>) outs(%wide : tensor<8x4xf32>) permutation = [1, 0]
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%t : tensor<8x4xf32>) outs(%wide : tensor<8x4xf32>) {
  ^bb0(%v: f32, %out: f32):
    %r = arith.negf %v : f32
    linalg.yield %r : f32
  } -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}

// -----

// The parts of a concatenation are computed where it lies: the second 4 * 16 bytes behind the first; an input of the
// caller is copied there.
// CHECK:       plan.variant @concat arena {{[0-9]+}} {
// CHECK-NEXT:    plan.dispatch @[[NEG:loops_[0-9]+]] layer "" grid {{[0-9]+}} [#plan.argument<input>, #plan.argument<arena>]
// CHECK-NEXT:    plan.dispatch @{{copy_[0-9]+}} layer "" grid {{[0-9]+}} [#plan.argument<input>, #plan.argument<arena, offset = 64>]
// CHECK-NEXT:    plan.dispatch @{{loops_[0-9]+}} layer "" grid {{[0-9]+}} [#plan.argument<arena>, #plan.argument<output>]
// CHECK-NEXT:  }
#id = affine_map<(i, j) -> (i, j)>
func.func @concat(%x: tensor<1x16xf32>) -> tensor<2x16xf32> attributes {anybit.candidate = "concat"} {
  %empty = tensor.empty() : tensor<1x16xf32>
  %a = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<1x16xf32>) outs(%empty : tensor<1x16xf32>) {
  ^bb0(%v: f32, %out: f32):
    %r = arith.negf %v : f32
    linalg.yield %r : f32
  } -> tensor<1x16xf32>
  %both = tensor.concat dim(0) %a, %x : (tensor<1x16xf32>, tensor<1x16xf32>) -> tensor<2x16xf32>
  %wide = tensor.empty() : tensor<2x16xf32>
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%both : tensor<2x16xf32>) outs(%wide : tensor<2x16xf32>) {
  ^bb0(%v: f32, %out: f32):
    %r = math.absf %v : f32
    linalg.yield %r : f32
  } -> tensor<2x16xf32>
  return %y : tensor<2x16xf32>
}

// -----

// A pad is a fill and a copy inside: one row of 3 * 4 bytes and one element before the first.
// CHECK:       plan.variant @pad arena {{[0-9]+}} {
// CHECK-NEXT:    plan.dispatch @{{fill_[0-9]+}} layer "" grid {{[0-9]+}} [#plan.argument<arena>]
// CHECK-NEXT:    plan.dispatch @{{copy_[0-9]+}} layer "" grid {{[0-9]+}} [#plan.argument<input>, #plan.argument<arena, offset = 16>]
// CHECK-NEXT:    plan.dispatch @{{copy_[0-9]+}} layer "" grid {{[0-9]+}} [#plan.argument<arena>, #plan.argument<output>]
// CHECK-NEXT:  }
func.func @pad(%x: tensor<2x2xf32>) -> tensor<3x3xf32> attributes {anybit.candidate = "pad"} {
  %one = arith.constant 1.0 : f32
  %y = tensor.pad %x low[1, 1] high[0, 0] {
  ^bb0(%i: index, %j: index):
    tensor.yield %one : f32
  } : tensor<2x2xf32> to tensor<3x3xf32>
  return %y : tensor<3x3xf32>
}

// -----

// The caller's unsigned bytes are the bytes that kernels read and write; a bitcast is no dispatch.
// CHECK-LABEL: plan.signature inputs ["x"] types [tensor<4xui8>] outputs ["y"] types [tensor<4xui8>]
// CHECK:       plan.variant @bytes arena {{[0-9]+}} {
// CHECK-NEXT:    plan.dispatch @[[LOOPS:[a-z0-9_]+]] {{.*}}[#plan.argument<input>, #plan.argument<{{arena|output}}>]
// CHECK:       }
// CHECK:       func.func {{.*}}@[[LOOPS]](
// CHECK-NOT:   ui8
module {
  func.func @bytes(%x: tensor<4xui8> {anybit.name = "x"}) -> (tensor<4xui8> {anybit.name = "y"})
      attributes {anybit.candidate = "bytes"} {
    %signless = tensor.bitcast %x : tensor<4xui8> to tensor<4xi8>
    %empty = tensor.empty() : tensor<4xi8>
    %sum = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>],
        iterator_types = ["parallel"]} ins(%signless : tensor<4xi8>) outs(%empty : tensor<4xi8>) {
    ^bb0(%a: i8, %b: i8):
      %twice = arith.addi %a, %a : i8
      linalg.yield %twice : i8
    } -> tensor<4xi8>
    %y = tensor.bitcast %sum : tensor<4xi8> to tensor<4xui8>
    return %y : tensor<4xui8>
  }
}
