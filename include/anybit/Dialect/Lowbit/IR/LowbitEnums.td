#ifndef ANYBIT_DIALECT_LOWBIT_IR_LOWBITENUMS_TD
#define ANYBIT_DIALECT_LOWBIT_IR_LOWBITENUMS_TD

include "mlir/IR/EnumAttr.td"

def Lowbit_Family : I32EnumAttr<"Family", "kernel family of a convolution (docs/kernels.md)", [
  I32EnumAttrCase<"Dot4", 0, "dot4">,          // R1, R2: four bytes a step, columns in lanes
  I32EnumAttrCase<"Depthwise", 1, "depthwise">, // channels in lanes
  I32EnumAttrCase<"Real", 2, "real">,           // float32, columns in lanes
  I32EnumAttrCase<"Popcount", 3, "popcount">,   // R3, R4: bit planes, columns in lanes
  I32EnumAttrCase<"Amx", 4, "amx">,             // the bytes of dot4, in tiles of 16 rows
  I32EnumAttrCase<"Table", 5, "table">          // R8: the planes of popcount as indices of tables
]> {
  let genSpecializedAttr = 0;
  let cppNamespace = "::anybit::lowbit";
}

#endif // ANYBIT_DIALECT_LOWBIT_IR_LOWBITENUMS_TD
