#ifndef ANYBIT_DIALECT_PLAN_IR_PLANENUMS_TD
#define ANYBIT_DIALECT_PLAN_IR_PLANENUMS_TD

include "mlir/IR/EnumAttr.td"

// The numbers are those of anybit_argument_kind in abi.h.
def Plan_ArgumentKind : I32EnumAttr<"ArgumentKind", "where an argument of a dispatch lies", [
  I32EnumAttrCase<"Arena", 0, "arena">, I32EnumAttrCase<"Constant", 1, "constant">,
  I32EnumAttrCase<"Input", 2, "input">, I32EnumAttrCase<"Output", 3, "output">,
  I32EnumAttrCase<"Slot", 4, "slot">
]> {
  let genSpecializedAttr = 0;
  let cppNamespace = "::anybit::plan";
}

#endif // ANYBIT_DIALECT_PLAN_IR_PLANENUMS_TD
