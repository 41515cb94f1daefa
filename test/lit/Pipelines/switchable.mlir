// RUN: anybit-opt %s --anybit-stage-specialize | FileCheck %s --check-prefix=SPECIALIZE
// RUN: anybit-opt %s --anybit-stage-specialize=candidates=w2a4 | FileCheck %s --check-prefix=ONE
// RUN: anybit-opt %s --anybit-stage-specialize --anybit-stage-integerize | FileCheck %s --check-prefix=INTEGERIZE
// RUN: anybit-opt %s --anybit-stage-specialize --anybit-stage-integerize --anybit-stage-schedule=target=x86-64-v3 | FileCheck %s --check-prefix=SCHEDULE
// RUN: anybit-opt %s --anybit-stage-specialize --anybit-stage-integerize --anybit-stage-schedule=target=x86-64-v3 --anybit-stage-kernels=target=x86-64-v3 | FileCheck %s --check-prefix=KERNELS

// Every stage by its name, on a layer with two candidates: band factors, weight scale and width, input scale and width are
// tables with one row each (conventions C2 and C3).

// specialize: one function per candidate; wavelet and weight quantizer are codes now. The plane [3; 1] mixed with (1, 1, 1, 1)
// stays; with (1, 0, 0, 0) every element is the block's average, 1 (padding counts).
// SPECIALIZE:      func.func @w4a8(%{{[^:]+}}: tensor<1x1x4xf32> {anybit.name = "x"})
// SPECIALIZE-SAME:   anybit.candidate = "w4a8"
// SPECIALIZE-NOT:    msq.select
// SPECIALIZE-NOT:    msq.mix_bands
// SPECIALIZE-DAG:    arith.constant dense<{{\[\[\[}}6]], {{\[\[}}2]]]> : tensor<2x1x1xi8>
// SPECIALIZE-DAG:    msq.quantize {{.+}} {format = #msq.format<unsigned, 8>}
// SPECIALIZE-DAG:    msq.dequantize {{.+}} {format = #msq.format<signed, 4>}
// SPECIALIZE:      func.func @w2a4(
// SPECIALIZE-NOT:    msq.select
// SPECIALIZE-NOT:    msq.mix_bands
// SPECIALIZE-DAG:    arith.constant dense<1> : tensor<2x1x1xi8>
// SPECIALIZE-DAG:    msq.quantize {{.+}} {format = #msq.format<unsigned, 4>}
// SPECIALIZE-DAG:    msq.dequantize {{.+}} {format = #msq.format<signed, 2>}
// SPECIALIZE-NOT:  func.func

// ONE-NOT: func.func @w4a8
// ONE:     func.func @w2a4
// ONE-NOT: func.func

// integerize: nothing of msq is left; the input's quantizer is elementwise, the layer one integer op.
// INTEGERIZE:      func.func @w4a8
// INTEGERIZE-NOT:    = msq.
// INTEGERIZE:        lowbit.round {{.+}} {high = 255 : i32, low = 0 : i32, zero = 0 : i32}
// INTEGERIZE:        lowbit.conv {{.+}} weight_format = #msq.format<signed, 4>
// INTEGERIZE:      func.func @w2a4
// INTEGERIZE-NOT:    = msq.
// INTEGERIZE:        lowbit.round {{.+}} {high = 15 : i32, low = 0 : i32, zero = 0 : i32}
// INTEGERIZE:        lowbit.conv {{.+}} weight_format = #msq.format<signed, 2>

// schedule: packed for the target, in the storage of each width.
// SCHEDULE:      func.func @w4a8
// SCHEDULE:        lowbit.conv {{.+}} initial(
// SCHEDULE:        #lowbit.packed<dot4, columns = 8, bits = 4, taps = 1, planes = 1, pair_steps = {{[0-9]+}}>
// SCHEDULE:      func.func @w2a4
// SCHEDULE:        #lowbit.packed<dot4, columns = 8, bits = 2, taps = 1, planes = 1, pair_steps = {{[0-9]+}}>

// kernels: two variants, each a quantizer and a convolution.
// KERNELS:      plan.signature inputs ["x"] types [tensor<1x1x4xf32>] outputs ["y"] types [tensor<1x2x4xf32>]
// KERNELS:      plan.variant @w4a8
// KERNELS:        plan.dispatch @loops_{{[0-9]+}}
// KERNELS:        plan.dispatch @[[W4:conv_dot4_[0-9]+]] {{.+}} {choice = "{{.+}}", macs = 8 : i64}
// KERNELS:      plan.variant @w2a4
// KERNELS:        plan.dispatch @loops_{{[0-9]+}}
// KERNELS-NOT:    plan.dispatch @[[W4]]
// KERNELS:        plan.dispatch @conv_dot4_{{[0-9]+}} {{.+}} {choice = "{{.+}}", macs = 8 : i64}
// KERNELS-NOT:  func.func @w4a8
// KERNELS-NOT:  func.func @w2a4
module attributes {anybit.candidates = ["w4a8", "w2a4"]} {
  func.func @main(%x: tensor<1x1x4xf32> {anybit.name = "x"}, %candidate: tensor<i64> {anybit.candidate})
      -> (tensor<1x2x4xf32> {anybit.name = "y"}) {
    %w = arith.constant dense<[[[3.0]], [[1.0]]]> : tensor<2x1x1xf32>
    %zero = arith.constant dense<0> : tensor<i32>
    %alphas = arith.constant dense<[[1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0]]> : tensor<2x4xf32>
    %weight_scales = arith.constant dense<[0.5, 1.0]> : tensor<2xf32>
    %weight_widths = arith.constant dense<[4, 2]> : tensor<2xi64>
    %input_scales = arith.constant dense<[0.0625, 1.0]> : tensor<2xf32>
    %input_widths = arith.constant dense<[8, 4]> : tensor<2xi64>
    %alpha = msq.select %candidate, %alphas : tensor<2x4xf32> -> tensor<4xf32>
    %sw = msq.select %candidate, %weight_scales : tensor<2xf32> -> tensor<f32>
    %bw = msq.select %candidate, %weight_widths : tensor<2xi64> -> tensor<i64>
    %sx = msq.select %candidate, %input_scales : tensor<2xf32> -> tensor<f32>
    %bx = msq.select %candidate, %input_widths : tensor<2xi64> -> tensor<i64>
    %mixed = msq.mix_bands %w, %alpha {layout = #msq.layout<tile>, wavelet = #msq.wavelet<haar>} : tensor<2x1x1xf32>
    %wq = msq.quantize %mixed, %sw, %zero bits %bw {format = #msq.format<signed, 8>}
        : tensor<2x1x1xf32>, tensor<f32>, tensor<i32> -> tensor<2x1x1xi8>
    %weights = msq.dequantize %wq, %sw, %zero bits %bw {format = #msq.format<signed, 8>}
        : tensor<2x1x1xi8>, tensor<f32>, tensor<i32> -> tensor<2x1x1xf32>
    %xq = msq.quantize %x, %sx, %zero bits %bx {format = #msq.format<unsigned, 8>}
        : tensor<1x1x4xf32>, tensor<f32>, tensor<i32> -> tensor<1x1x4xi8>
    %input = msq.dequantize %xq, %sx, %zero bits %bx {format = #msq.format<unsigned, 8>}
        : tensor<1x1x4xi8>, tensor<f32>, tensor<i32> -> tensor<1x1x4xf32>
    %y = msq.conv %input, %weights {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>}
        : tensor<1x1x4xf32>, tensor<2x1x1xf32> -> tensor<1x2x4xf32>
    return %y : tensor<1x2x4xf32>
  }
}
