#ifndef ANYBIT_DIALECT_MSQ_IR_MSQQUANTIZEOPS_TD
#define ANYBIT_DIALECT_MSQ_IR_MSQQUANTIZEOPS_TD

include "anybit/Dialect/Msq/IR/MsqBase.td"

// N2: codes are stored one a byte, the low 8 bits of q; the format says how to read them.
def Msq_QuantizeOp : Msq_Op<"quantize"> {
  let summary = "codes of real values";
  let description = [{
    Rules N1 and N2, all in float32 with a true division: `signed` clamp(RNE(x/s)), `unsigned` clamp(RNE(x/s) + z),
    `odd` clamp(floor((x/s)/2) + 2^(b-1)). `scale` and `zero` are of rank 0, or of rank 1 along `axis`. Codes are bytes:
    the low 8 bits of q. `bits` is an operand so that it may be a candidate's constant (`msq.select`); `anybit-specialize`
    requires it to fold, and the op then carries it in `format` only.

    Example:

    ```mlir
    func.func @codes_of(%x: tensor<1x16x8x8xf32>, %scale: tensor<f32>, %zero: tensor<i32>) -> tensor<1x16x8x8xi8> {
      %codes = msq.quantize %x, %scale, %zero {format = #msq.format<unsigned, 4>}
          : tensor<1x16x8x8xf32>, tensor<f32>, tensor<i32> -> tensor<1x16x8x8xi8>
      return %codes : tensor<1x16x8x8xi8>
    }
    ```
  }];
  let arguments = (ins Msq_RealTensor:$input, Msq_RealTensor:$scale, StaticShapeTensorOf<[I32]>:$zero,
                       Optional<Msq_IndexTensor>:$bits, Msq_FormatAttr:$format,
                       DefaultValuedAttr<I64Attr, "0">:$axis);
  let results = (outs Msq_CodeTensor:$codes);
  let assemblyFormat = [{
    $input `,` $scale `,` $zero (`bits` $bits^)? attr-dict `:` type($input) `,` type($scale) `,` type($zero) `->` type($codes)
  }];
  let hasVerifier = 1;
}

def Msq_DequantizeOp : Msq_Op<"dequantize"> {
  let summary = "real values of codes";
  let description = [{
    Rule N2: `signed` s*q, `unsigned` s*(q-z), `odd` s*(2q-(2^b-1)); the integer is exact in float32 and one
    multiplication follows. Operands as in `msq.quantize`.

    Example:

    ```mlir
    func.func @reals_of(%codes: tensor<16x3x3x3xi8>, %scale: tensor<16xf32>, %zero: tensor<i32>)
        -> tensor<16x3x3x3xf32> {
      %x = msq.dequantize %codes, %scale, %zero {format = #msq.format<odd, 2>, axis = 0 : i64}
          : tensor<16x3x3x3xi8>, tensor<16xf32>, tensor<i32> -> tensor<16x3x3x3xf32>
      return %x : tensor<16x3x3x3xf32>
    }
    ```
  }];
  let arguments = (ins Msq_CodeTensor:$codes, Msq_RealTensor:$scale, StaticShapeTensorOf<[I32]>:$zero,
                       Optional<Msq_IndexTensor>:$bits, Msq_FormatAttr:$format,
                       DefaultValuedAttr<I64Attr, "0">:$axis);
  let results = (outs Msq_RealTensor:$output);
  let assemblyFormat = [{
    $codes `,` $scale `,` $zero (`bits` $bits^)? attr-dict `:` type($codes) `,` type($scale) `,` type($zero) `->` type($output)
  }];
  let hasVerifier = 1;
}

#endif // ANYBIT_DIALECT_MSQ_IR_MSQQUANTIZEOPS_TD
