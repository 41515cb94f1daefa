#ifndef ANYBIT_DIALECT_PLAN_IR_PLANATTRIBUTES_TD
#define ANYBIT_DIALECT_PLAN_IR_PLANATTRIBUTES_TD

include "anybit/Dialect/Plan/IR/PlanDialect.td"
include "anybit/Dialect/Plan/IR/PlanEnums.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributes.td"

def Plan_ArgumentAttr : AttrDef<Plan_Dialect, "Argument"> {
  let mnemonic = "argument";
  let summary = "argument of a dispatch";
  let description = [{
    Mirrors `anybit_argument`: the kind, the index of an input or output, a byte offset, and the constant's symbol.

    Example: `#plan.argument<arena, offset = 128>`, `#plan.argument<input, index = 0>`, `#plan.argument<constant, symbol = @weights>`.
  }];
  let parameters = (ins EnumParameter<Plan_ArgumentKind>:$kind, DefaultValuedParameter<"uint32_t", "0">:$index,
                        DefaultValuedParameter<"uint64_t", "0">:$offset, OptionalParameter<"::mlir::FlatSymbolRefAttr">:$symbol);
  let assemblyFormat = "`<` $kind (`,` struct($index, $offset, $symbol)^)? `>`";
}

#endif // ANYBIT_DIALECT_PLAN_IR_PLANATTRIBUTES_TD
