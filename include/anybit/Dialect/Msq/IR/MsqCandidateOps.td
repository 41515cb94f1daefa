#ifndef ANYBIT_DIALECT_MSQ_IR_MSQCANDIDATEOPS_TD
#define ANYBIT_DIALECT_MSQ_IR_MSQCANDIDATEOPS_TD

include "anybit/Dialect/Msq/IR/MsqBase.td"

def Msq_SelectOp : Msq_Op<"select"> {
  let summary = "the row of a table that belongs to a candidate";
  let description = [{
    A constant that is chosen late: row `candidate` of `table`. This is ONNX `Gather(table, candidate, axis=0)` with a
    rank-0 index (convention C2). `anybit-specialize` substitutes the candidate and folds.

    Example:

    ```mlir
    func.func @scale_of(%candidate: tensor<i64>, %table: tensor<3x64xf32>) -> tensor<64xf32> {
      %scale = msq.select %candidate, %table : tensor<3x64xf32> -> tensor<64xf32>
      return %scale : tensor<64xf32>
    }
    ```
  }];
  let arguments = (ins Msq_IndexTensor:$candidate, Msq_AnyTensor:$table);
  let results = (outs Msq_AnyTensor:$row);
  let assemblyFormat = "$candidate `,` $table attr-dict `:` type($table) `->` type($row)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Msq_MixBandsOp : Msq_Op<"mix_bands", [AllTypesMatch<["weights", "mixed"]>]> {
  let summary = "wavelet transform, scale the four bands, inverse transform";
  let description = [{
    Rule N3: `mixed = sum_k alpha_k P_k weights`, one level, computed in float32 in a fixed order. `weights` has the
    order O, I/group, kh, kw (rank 2 and 3 are kernels of 1x1 and 1xkw); each group is a plane of its own. `alpha` holds
    the factors of the bands LL, LH, HL, HH. All ones is the identity.

    Example:

    ```mlir
    func.func @mixed(%weights: tensor<16x16x3x3xf32>, %alpha: tensor<4xf32>) -> tensor<16x16x3x3xf32> {
      %mixed = msq.mix_bands %weights, %alpha {layout = #msq.layout<tile>, wavelet = #msq.wavelet<haar>,
          groups = 1 : i64} : tensor<16x16x3x3xf32>
      return %mixed : tensor<16x16x3x3xf32>
    }
    ```
  }];
  let arguments = (ins Msq_RealTensor:$weights, Msq_BandFactors:$alpha, Msq_BandLayoutAttr:$layout,
                       Msq_WaveletAttr:$wavelet, DefaultValuedAttr<I64Attr, "1">:$groups);
  let results = (outs Msq_RealTensor:$mixed);
  let assemblyFormat = "$weights `,` $alpha attr-dict `:` type($weights)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

#endif // ANYBIT_DIALECT_MSQ_IR_MSQCANDIDATEOPS_TD
