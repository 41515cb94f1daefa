#ifndef ANYBIT_DIALECT_MSQ_IR_MSQATTRIBUTES_TD
#define ANYBIT_DIALECT_MSQ_IR_MSQATTRIBUTES_TD

include "anybit/Dialect/Msq/IR/MsqDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "anybit/Dialect/Msq/IR/MsqEnums.td"

def Msq_BandLayoutAttr : EnumAttr<Msq_Dialect, Msq_BandLayout, "layout"> {
  let assemblyFormat = "`<` $value `>`";
}

def Msq_WaveletAttr : EnumAttr<Msq_Dialect, Msq_Wavelet, "wavelet"> {
  let assemblyFormat = "`<` $value `>`";
}

def Msq_PoolKindAttr : EnumAttr<Msq_Dialect, Msq_PoolKind, "pool"> {
  let assemblyFormat = "`<` $value `>`";
}

def Msq_FormatAttr : AttrDef<Msq_Dialect, "Format"> {
  let mnemonic = "format";
  let summary = "number format of a code: kind, bits, narrow";
  let description = [{
    Rule N2 of the numerics. `signed` decodes to `s*q`, `unsigned` to `s*(q-z)`, `odd` to `s*(2q-(2^b-1))`. `narrow`
    drops the lowest code (of a signed format in files; of an unsigned one where a pass has moved signed codes).

    Example: `#msq.format<signed, 4>`, `#msq.format<signed, 8, narrow>`.
  }];
  let parameters = (ins EnumParameter<Msq_FormatKind>:$kind, "unsigned":$bits, DefaultValuedParameter<"bool", "false">:$narrow);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Smallest and largest code.
    int64_t lowestCode() const;
    int64_t highestCode() const;
  }];
}

#endif // ANYBIT_DIALECT_MSQ_IR_MSQATTRIBUTES_TD
