#ifndef ANYBIT_DIALECT_PLAN_IR_PLANOPS_TD
#define ANYBIT_DIALECT_PLAN_IR_PLANOPS_TD

include "anybit/Dialect/Plan/IR/PlanAttributes.td"
include "mlir/IR/SymbolInterfaces.td"

class Plan_Op<string mnemonic, list<Trait> traits = []> : Op<Plan_Dialect, mnemonic, traits>;

def Plan_SignatureOp : Plan_Op<"signature"> {
  let summary = "inputs and outputs of every variant";
  let description = [{
    Mirrors the arrays of `anybit_tensor` in the module descriptor. Tensors of the caller are dense and row-major.

    Example:

    ```mlir
    plan.signature inputs ["x"] types [tensor<1x3x8x8xf32>] outputs ["y"] types [tensor<1x10xf32>]
    ```
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

    Example:

    ```mlir
    plan.constant @weights = dense<0> : tensor<64xi8>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, ElementsAttr:$value);
  let assemblyFormat = "$sym_name `=` $value attr-dict";
}

def Plan_MasterOp : Plan_Op<"master", [Symbol, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "float16 weights that candidates are rebuilt from";
  let description = [{
    Mirrors `anybit_master`: `values` in the order O, I/group, kh, kw; `layout` and `wavelet` are the numbers of
    `runtime/include/anybit/weights.h`.

    Example:

    ```mlir
    plan.constant @constant_0 = dense<0.0> : tensor<16x16x3x3xf16>
    plan.master @weights layer "conv1" values @constant_0 shape [16, 16, 3, 3, 1] layout 1 wavelet 0
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$layer, FlatSymbolRefAttr:$values, DenseI64ArrayAttr:$shape,
                       I32Attr:$layout, I32Attr:$wavelet);
  let assemblyFormat = "$sym_name `layer` $layer `values` $values `shape` $shape `layout` $layout `wavelet` $wavelet attr-dict";
  let hasVerifier = 1;
}

def Plan_VariantOp : Plan_Op<"variant", [Symbol, NoTerminator, SingleBlock]> {
  let summary = "the network at one candidate";
  let description = [{
    Mirrors `anybit_variant`: dispatches in order, over an arena of `arena_bytes`. With the master store, rebuilds
    fill a slot of `slot_bytes` with the candidate's weights.

    Example:

    ```mlir
    func.func private @conv(%input: !llvm.ptr, %output: !llvm.ptr, %begin: i64, %end: i64, %scratch: !llvm.ptr)
    plan.variant @w4a4 arena 4096 {
      plan.dispatch @conv layer "conv1" grid 196 [#plan.argument<input>, #plan.argument<arena>]
      plan.dispatch @conv layer "conv2" grid 196 [#plan.argument<arena>, #plan.argument<output>]
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$arena_bytes, DefaultValuedAttr<I64Attr, "0">:$slot_bytes);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `arena` $arena_bytes attr-dict-with-keyword $body";
  let hasVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "int64_t":$arenaBytes, "int64_t":$slotBytes)>];
}

def Plan_DispatchOp : Plan_Op<"dispatch", [HasParent<"VariantOp">, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "one call of a kernel";
  let description = [{
    Mirrors `anybit_dispatch`: the runtime calls `kernel` for parts of [0, grid), those of another thread not smaller than
    `claim`; without it one thread does all. `macs` counts multiply-accumulates. `choice` says why this kernel, for `anybit inspect`.

    Example:

    ```mlir
    func.func private @conv(%input: !llvm.ptr, %output: !llvm.ptr, %begin: i64, %end: i64, %scratch: !llvm.ptr)
    plan.variant @w8a8 arena 4096 {
      plan.dispatch @conv layer "conv1" grid 196 claim 14 [#plan.argument<input>, #plan.argument<arena, offset = 64>]
          {macs = 5419008 : i64, choice = "dot4:2, measured"}
    }
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, StrAttr:$layer, I64Attr:$grid, OptionalAttr<I64Attr>:$claim,
                       TypedArrayAttrBase<Plan_ArgumentAttr, "arguments">:$arguments,
                       DefaultValuedAttr<I64Attr, "0">:$macs, OptionalAttr<StrAttr>:$choice);
  let assemblyFormat = "$kernel `layer` $layer `grid` $grid (`claim` $claim^)? $arguments attr-dict";
  let hasVerifier = 1;
}

def Plan_RebuildOp : Plan_Op<"rebuild", [HasParent<"VariantOp">, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "one weight tensor of a candidate, from its master";
  let description = [{
    Mirrors `anybit_rebuild`: mix the bands of `master` by `alpha`, quantize with `scales`, pack, and write weights and
    initial accumulators into the slot. `format`, `weight_zero`, `column_block`, `storage_bits`, `taps_in_run`, `order` and
    `input_bits` are those of `runtime/include/anybit/weights.h`.

    Example:

    ```mlir
    plan.constant @constant_0 = dense<0.0> : tensor<16x16x3x3xf16>
    plan.constant @constant_1 = dense<0.1> : tensor<16xf32>
    plan.master @weights layer "conv1" values @constant_0 shape [16, 16, 3, 3, 1] layout 1 wavelet 0
    plan.variant @w4a4 arena 4096 attributes {slot_bytes = 1216 : i64} {
      plan.rebuild @weights scales @constant_1 alpha [1.0, 1.0, 1.0, 1.0] {format = 0 : i32, bits = 4 : i32,
          column_block = 16 : i32, storage_bits = 4 : i32, taps_in_run = 1 : i32, input_zero = 0 : i32,
          weight_offset = 0 : i64, initial_offset = 1152 : i64}
    }
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$master, FlatSymbolRefAttr:$scales, DenseF32ArrayAttr:$alpha, I32Attr:$format,
                       I32Attr:$bits, I32Attr:$column_block, I32Attr:$storage_bits, I32Attr:$taps_in_run,
                       I32Attr:$input_zero, I64Attr:$weight_offset, I64Attr:$initial_offset,
                       DefaultValuedAttr<I32Attr, "0">:$order, DefaultValuedAttr<I32Attr, "0">:$input_bits,
                       DefaultValuedAttr<I32Attr, "0">:$weight_zero);
  let assemblyFormat = "$master `scales` $scales `alpha` $alpha attr-dict";
  let hasVerifier = 1;
}

#endif // ANYBIT_DIALECT_PLAN_IR_PLANOPS_TD
