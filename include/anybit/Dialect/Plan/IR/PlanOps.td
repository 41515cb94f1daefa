#ifndef ANYBIT_DIALECT_PLAN_IR_PLANOPS_TD
#define ANYBIT_DIALECT_PLAN_IR_PLANOPS_TD

include "anybit/Dialect/Plan/IR/PlanAttributes.td"
include "mlir/IR/SymbolInterfaces.td"

class Plan_Op<string mnemonic, list<Trait> traits = []> : Op<Plan_Dialect, mnemonic, traits>;

def Plan_SignatureOp : Plan_Op<"signature"> {
  let summary = "inputs and outputs of every variant";
  let description = [{
    Mirrors the arrays of `anybit_tensor` in the module descriptor. Tensors of the caller are dense and row-major.

    Example: `plan.signature inputs ["x"] types [tensor<1x3x8x8xf32>] outputs ["y"] types [tensor<1x10xf32>]`
  }];
  let arguments = (ins StrArrayAttr:$input_names, TypeArrayAttr:$input_types, StrArrayAttr:$output_names,
                       TypeArrayAttr:$output_types);
  let assemblyFormat = [{
    `inputs` $input_names `types` $input_types `outputs` $output_names `types` $output_types attr-dict
  }];
  let hasVerifier = 1;
}

def Plan_ConstantOp : Plan_Op<"constant", [Symbol]> {
  let summary = "constant bytes of the artifact";
  let description = [{
    Lies in `.rodata`, aligned to 64 bytes. Equal constants are one constant.

    Example: `plan.constant @weights = dense<0> : tensor<64xi8>`
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, ElementsAttr:$value);
  let assemblyFormat = "$sym_name `=` $value attr-dict";
}

def Plan_VariantOp : Plan_Op<"variant", [Symbol, NoTerminator, SingleBlock]> {
  let summary = "the network at one candidate";
  let description = [{
    Mirrors `anybit_variant`: dispatches in order, over an arena of `arena_bytes`.

    Example: `plan.variant @w4a4 arena 4096 { … }`
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$arena_bytes);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `arena` $arena_bytes attr-dict-with-keyword $body";
  let hasVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "int64_t":$arenaBytes)>];
}

def Plan_DispatchOp : Plan_Op<"dispatch", [HasParent<"VariantOp">]> {
  let summary = "one call of a kernel";
  let description = [{
    Mirrors `anybit_dispatch`: the runtime calls `kernel` for parts of [0, grid). `macs` counts multiply-accumulates.

    Example: `plan.dispatch @conv layer "conv1" grid 196 [#plan.argument<input>, #plan.argument<arena, offset = 64>]`
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, StrAttr:$layer, I64Attr:$grid,
                       TypedArrayAttrBase<Plan_ArgumentAttr, "arguments">:$arguments,
                       DefaultValuedAttr<I64Attr, "0">:$macs);
  let assemblyFormat = "$kernel `layer` $layer `grid` $grid $arguments attr-dict";
  let hasVerifier = 1;
}

#endif // ANYBIT_DIALECT_PLAN_IR_PLANOPS_TD
