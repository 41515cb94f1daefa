#ifndef ANYBIT_DIALECT_MSQ_IR_MSQENUMS_TD
#define ANYBIT_DIALECT_MSQ_IR_MSQENUMS_TD

include "mlir/IR/EnumAttr.td"

// The numbers are those of runtime/include/anybit/weights.h.
def Msq_FormatKind : I32EnumAttr<"FormatKind", "number format of a code (numerics N2)", [
  I32EnumAttrCase<"Signed", 0, "signed">, I32EnumAttrCase<"Unsigned", 1, "unsigned">,
  I32EnumAttrCase<"Odd", 2, "odd">
]> {
  let genSpecializedAttr = 0;
  let cppNamespace = "::anybit::msq";
}

def Msq_BandLayout : I32EnumAttr<"BandLayout", "plane of a weight tensor that the wavelet mixes (numerics N3)", [
  I32EnumAttrCase<"None", 0, "none">, I32EnumAttrCase<"Tile", 1, "tile">,
  I32EnumAttrCase<"Matrix", 2, "matrix">, I32EnumAttrCase<"Plane", 3, "plane">,
  I32EnumAttrCase<"Spatial", 4, "spatial">
]> {
  let genSpecializedAttr = 0;
  let cppNamespace = "::anybit::msq";
}

def Msq_Wavelet : I32EnumAttr<"Wavelet", "wavelet base", [
  I32EnumAttrCase<"Haar", 0, "haar">, I32EnumAttrCase<"Db2", 1, "db2">
]> {
  let genSpecializedAttr = 0;
  let cppNamespace = "::anybit::msq";
}

def Msq_PoolKind : I32EnumAttr<"PoolKind", "how a window is reduced", [
  I32EnumAttrCase<"Max", 0, "max">, I32EnumAttrCase<"Average", 1, "average">,
  I32EnumAttrCase<"Total", 2, "total">
]> {
  let genSpecializedAttr = 0;
  let cppNamespace = "::anybit::msq";
}

#endif // ANYBIT_DIALECT_MSQ_IR_MSQENUMS_TD
