#ifndef ANYBIT_DIALECT_MSQ_IR_MSQWINDOWOPS_TD
#define ANYBIT_DIALECT_MSQ_IR_MSQWINDOWOPS_TD

include "anybit/Dialect/Msq/IR/MsqBase.td"

def Msq_ConvOp : Msq_Op<"conv"> {
  let summary = "grouped convolution with the semantics of ONNX Conv, 1-D and 2-D";
  let description = [{
    `input` is N, C, spatial; `weights` O, C/groups, kernel; the result N, O, spatial. `pads` holds the begin of every
    spatial dimension, then the ends; padding is zero. There is no bias operand: a bias is an `add` behind it. A matrix
    product with a constant right side is a convolution with a 1x1 kernel (the importer writes it so).

    Example:

    ```mlir
    func.func @layer(%x: tensor<1x3x32x32xf32>, %w: tensor<16x3x3x3xf32>) -> tensor<1x16x16x16xf32> {
      %y = msq.conv %x, %w {strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 1, 1>, dilations = array<i64: 1, 1>,
          groups = 1 : i64} : tensor<1x3x32x32xf32>, tensor<16x3x3x3xf32> -> tensor<1x16x16x16xf32>
      return %y : tensor<1x16x16x16xf32>
    }
    ```
  }];
  let arguments = (ins Msq_RealTensor:$input, Msq_RealTensor:$weights, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$dilations, DefaultValuedAttr<I64Attr, "1">:$groups);
  let results = (outs Msq_RealTensor:$output);
  let assemblyFormat = "$input `,` $weights attr-dict `:` type($input) `,` type($weights) `->` type($output)";
  let hasVerifier = 1;
}

def Msq_BatchNormOp : Msq_Op<"batch_norm", [AllTypesMatch<["input", "output"]>, AllTypesMatch<["gamma", "beta", "mean", "variance"]>]> {
  let summary = "batch normalization with given statistics";
  let description = [{
    Rule N7: `(x - mean) * gamma / sqrt(variance + epsilon) + beta` along dimension 1. The four operands have rank 1; they
    may be a candidate's constants. The factors are computed in double and rounded to float32 once.

    Example:

    ```mlir
    func.func @normal(%x: tensor<1x16x8x8xf32>, %gamma: tensor<16xf32>, %beta: tensor<16xf32>, %mean: tensor<16xf32>,
                      %variance: tensor<16xf32>) -> tensor<1x16x8x8xf32> {
      %y = msq.batch_norm %x, %gamma, %beta, %mean, %variance {epsilon = 1.0e-5 : f64}
          : tensor<1x16x8x8xf32>, tensor<16xf32>
      return %y : tensor<1x16x8x8xf32>
    }
    ```
  }];
  let arguments = (ins Msq_RealTensor:$input, 1DTensorOf<[F32]>:$gamma, 1DTensorOf<[F32]>:$beta,
                       1DTensorOf<[F32]>:$mean, 1DTensorOf<[F32]>:$variance, F64Attr:$epsilon);
  let results = (outs Msq_RealTensor:$output);
  let assemblyFormat = [{
    $input `,` $gamma `,` $beta `,` $mean `,` $variance attr-dict `:` type($input) `,` type($gamma)
  }];
  let hasVerifier = 1;
}

def Msq_PoolOp : Msq_Op<"pool"> {
  let summary = "max or average pooling with the semantics of ONNX";
  let description = [{
    Windows as in `msq.conv`. The shape of the result says where windows end (`ceil_mode` is resolved at import; such
    windows may reach past the padded input, and those positions never count). An average divides by the number of
    positions inside the input, or inside the padded input if `count_include_pad`. A maximum ignores padding. Works on
    reals and on codes: a maximum of codes compares unsigned bytes, and a total is their sum as int32, without padding.

    Example:

    ```mlir
    func.func @largest(%x: tensor<1x64x112x112xf32>) -> tensor<1x64x56x56xf32> {
      %y = msq.pool %x {kind = #msq.pool<max>, kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
          pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>}
          : tensor<1x64x112x112xf32> -> tensor<1x64x56x56xf32>
      return %y : tensor<1x64x56x56xf32>
    }
    ```
  }];
  let arguments = (ins Msq_AnyTensor:$input, Msq_PoolKindAttr:$kind, DenseI64ArrayAttr:$kernel,
                       DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$dilations,
                       UnitAttr:$count_include_pad);
  let results = (outs Msq_AnyTensor:$output);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
}

def Msq_ResizeOp : Msq_Op<"resize"> {
  let summary = "resampling with the semantics of ONNX Resize";
  let description = [{
    `mode` is `nearest` or `linear`; `coordinates` one of `half_pixel`, `half_pixel_symmetric`, `pytorch_half_pixel`, `align_corners`, `asymmetric`;
    `nearest` rounding one of `round_prefer_floor`, `round_prefer_ceil`, `floor`, `ceil`. `scales` are those of the file (or the
    quotient of the sizes), one per dimension; dimensions with scale 1 stay. Codes can be resized with `nearest`.

    Example:

    ```mlir
    func.func @twice(%x: tensor<1x8x9x9xf32>) -> tensor<1x8x18x18xf32> {
      %y = msq.resize %x {mode = "linear", coordinates = "align_corners", nearest = "floor",
          scales = array<f64: 1.0, 1.0, 2.0, 2.0>} : tensor<1x8x9x9xf32> -> tensor<1x8x18x18xf32>
      return %y : tensor<1x8x18x18xf32>
    }
    ```
  }];
  let arguments = (ins Msq_AnyTensor:$input, StrAttr:$mode, StrAttr:$coordinates, StrAttr:$nearest,
                       DenseF64ArrayAttr:$scales);
  let results = (outs Msq_AnyTensor:$output);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
}

#endif // ANYBIT_DIALECT_MSQ_IR_MSQWINDOWOPS_TD
