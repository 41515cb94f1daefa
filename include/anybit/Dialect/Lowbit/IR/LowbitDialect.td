#ifndef ANYBIT_DIALECT_LOWBIT_IR_LOWBITDIALECT_TD
#define ANYBIT_DIALECT_LOWBIT_IR_LOWBITDIALECT_TD

include "mlir/IR/OpBase.td"

def Lowbit_Dialect : Dialect {
  let name = "lowbit";
  let cppNamespace = "::anybit::lowbit";
  let summary = "how codes are stored and computed";
  let description = [{
    The `lowbit` dialect holds networks after integerization: convolutions of unsigned byte codes with small integer
    weights, exact int32 accumulators, and an epilogue that turns an accumulator into the next codes. Packed weights
    are a type: `tensor<…xi8, #lowbit.packed<…>>`. The same convolution with a float32 accumulator serves real layers,
    so one op, one scheduler and one loop structure serve every width.
  }];
  let dependentDialects = ["::anybit::msq::MsqDialect"];
  let useDefaultAttributePrinterParser = 1;
}

#endif // ANYBIT_DIALECT_LOWBIT_IR_LOWBITDIALECT_TD
