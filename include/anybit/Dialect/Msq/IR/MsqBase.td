#ifndef ANYBIT_DIALECT_MSQ_IR_MSQBASE_TD
#define ANYBIT_DIALECT_MSQ_IR_MSQBASE_TD

include "anybit/Dialect/Msq/IR/MsqAttributes.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

class Msq_Op<string mnemonic, list<Trait> traits = []> : Op<Msq_Dialect, mnemonic, !listconcat([Pure], traits)>;

def Msq_RealTensor : StaticShapeTensorOf<[F32]>;
def Msq_CodeTensor : StaticShapeTensorOf<[I8]>;
// A scalar known late: the candidate, a bit width.
def Msq_IndexTensor : 0DTensorOf<[I64]>,
    BuildableType<"::mlir::RankedTensorType::get({}, $_builder.getI64Type())">;
// LL, LH, HL, HH.
def Msq_BandFactors : 1DTensorOf<[F32]>,
    BuildableType<"::mlir::RankedTensorType::get({4}, $_builder.getF32Type())">;
def Msq_AnyTensor : StaticShapeTensorOf<[AnyType]>;

#endif // ANYBIT_DIALECT_MSQ_IR_MSQBASE_TD
