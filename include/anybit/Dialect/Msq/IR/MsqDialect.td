#ifndef ANYBIT_DIALECT_MSQ_IR_MSQDIALECT_TD
#define ANYBIT_DIALECT_MSQ_IR_MSQDIALECT_TD

include "mlir/IR/OpBase.td"

def Msq_Dialect : Dialect {
  let name = "msq";
  let cppNamespace = "::anybit::msq";
  let summary = "what a multiscale, quantized network means";
  let description = [{
    The `msq` dialect says what a switchable network computes, independent of how codes are stored. Its central op is
    `msq.select`: a constant that is chosen late, one row of a table per candidate. Everything else is pure and
    ordinary: wavelet synthesis of weights, quantizers, and the few window ops whose ONNX semantics no upstream
    dialect covers (windows that do not divide, groups, one spatial dimension, `ceil_mode`). Elementwise ops,
    reductions and data movement stay upstream (`linalg`, `tensor`).

    Tensors are in the layout of ONNX: N, C, spatial dimensions. All shapes are static.
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

#endif // ANYBIT_DIALECT_MSQ_IR_MSQDIALECT_TD
