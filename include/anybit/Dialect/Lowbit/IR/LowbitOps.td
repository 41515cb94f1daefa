#ifndef ANYBIT_DIALECT_LOWBIT_IR_LOWBITOPS_TD
#define ANYBIT_DIALECT_LOWBIT_IR_LOWBITOPS_TD

include "anybit/Dialect/Lowbit/IR/LowbitAttributes.td"
include "anybit/Dialect/Msq/IR/MsqAttributes.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Lowbit_Op<string mnemonic, list<Trait> traits = []> : Op<Lowbit_Dialect, mnemonic, traits>;

def Lowbit_ConvOp : Lowbit_Op<"conv", [Pure, SingleBlock, AttrSizedOperandSegments]> {
  let summary = "grouped convolution with an exact accumulator and an epilogue";
  let description = [{
    Rules N4 and N5. The accumulator of an output is `initial + sum a*w` over the window, int32 for codes and float32 for
    reals; positions outside the input count as `input_zero`. The epilogue region maps the accumulator of one output,
    and the elements of `parameters` that belong to it, to one element of every result. A parameter of rank 1 is
    per output channel (reals, or integers such as thresholds); one of the rank of the result is per element (a residual).
    Codes are unsigned bytes in `i8`; those of the input are at most `input_high`.

    Before packing, `weights` are codes in the order O, I/groups, kernel, read by `weight_format` and `weight_zero`
    (or reals). After packing they have the encoding `#lowbit.packed`, and `initial` holds
    `-input_zero * sum(w)` per padded output. The discardable attribute
    `lowbit.choice` says which kernel packing is to choose, and after it which it chose.

    Example (a requantization without residual, rule N5):

    ```mlir
    func.func @requantized(%x: tensor<1x16x8x8xi8>, %w: tensor<16x16x3x3xi8>, %m: tensor<16xf32>, %h: tensor<16xf32>)
        -> tensor<1x16x8x8xi8> {
      %y = lowbit.conv %x, %w params(%m, %h) attributes {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>,
          dilations = array<i64: 1, 1>, groups = 1 : i64, kernel = array<i64: 3, 3>, input_zero = 0 : i32,
          weight_format = #msq.format<signed, 4>, weight_zero = 0 : i32} {
      ^bb0(%acc: i32, %m0: f32, %h0: f32):
        %real = arith.sitofp %acc : i32 to f32
        %scaled = arith.mulf %real, %m0 : f32
        %shifted = arith.addf %scaled, %h0 : f32
        %code = lowbit.round %shifted {low = 0 : i32, high = 15 : i32, zero = 0 : i32} : f32
        lowbit.yield %code : i8
      } : tensor<1x16x8x8xi8>, tensor<16x16x3x3xi8>, (tensor<16xf32>, tensor<16xf32>) -> tensor<1x16x8x8xi8>
      return %y : tensor<1x16x8x8xi8>
    }
    ```
  }];
  let arguments = (ins StaticShapeTensorOf<[I8, F32]>:$input, StaticShapeTensorOf<[I8, F32]>:$weights,
                       Optional<1DTensorOf<[I32]>>:$initial, Variadic<StaticShapeTensorOf<[I8, I32, F32]>>:$parameters,
                       DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$dilations,
                       I64Attr:$groups, DenseI64ArrayAttr:$kernel, I32Attr:$input_zero,
                       OptionalAttr<Msq_FormatAttr>:$weight_format, I32Attr:$weight_zero,
                       DefaultValuedAttr<I32Attr, "255">:$input_high);
  let results = (outs Variadic<StaticShapeTensorOf<[I8, F32]>>:$outputs);
  let regions = (region SizedRegion<1>:$epilogue);
  let assemblyFormat = [{
    $input `,` $weights (`initial` `(` $initial^ `:` type($initial) `)`)? `params` `(` $parameters `)` attr-dict-with-keyword $epilogue
    `:` type($input) `,` type($weights) (`,` `(` type($parameters)^ `)`)? `->` type($outputs)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    mlir::Block &getBody() { return getEpilogue().front(); }
    /// Number of output channels.
    int64_t getOutputChannels();
    /// The attribute `lowbit.choice`, or null.
    ChoiceAttr getChoice() { return getOperation()->getAttrOfType<ChoiceAttr>("lowbit.choice"); }
    void setChoice(ChoiceAttr choice) { getOperation()->setAttr("lowbit.choice", choice); }
    bool isReal() { return mlir::cast<mlir::ShapedType>(getInput().getType()).getElementType().isF32(); }
  }];
}

def Lowbit_RoundOp : Lowbit_Op<"round", [Pure]> {
  let summary = "code of a scaled value";
  let description = [{
    Rules N1 and N2: `clamp(RNE(value) + zero, low, high)`, as a byte. The value is clamped before it is converted, so
    the conversion never leaves its range; NaN gives the lowest code.

    Example:

    ```mlir
    func.func @code_of(%value: f32) -> i8 {
      %code = lowbit.round %value {low = 0 : i32, high = 15 : i32, zero = 0 : i32} : f32
      return %code : i8
    }
    ```
  }];
  let arguments = (ins F32:$value, I32Attr:$low, I32Attr:$high, I32Attr:$zero);
  let results = (outs I8:$code);
  let assemblyFormat = "$value attr-dict `:` type($value)";
  let hasVerifier = 1;
}

def Lowbit_YieldOp : Lowbit_Op<"yield", [Pure, ReturnLike, Terminator, ParentOneOf<["ConvOp"]>]> {
  let summary = "elements of the results of a `lowbit.conv`";
  let description = [{
    Ends an epilogue.

    Example (a real layer without an epilogue):

    ```mlir
    func.func @plain(%x: tensor<1x3x20xf32>, %w: tensor<4x3x3xf32>) -> tensor<1x4x18xf32> {
      %y = lowbit.conv %x, %w params() attributes {strides = array<i64: 1>, pads = array<i64: 0, 0>,
          dilations = array<i64: 1>, groups = 1 : i64, kernel = array<i64: 3>, input_zero = 0 : i32,
          weight_zero = 0 : i32} {
      ^bb0(%acc: f32):
        lowbit.yield %acc : f32
      } : tensor<1x3x20xf32>, tensor<4x3x3xf32> -> tensor<1x4x18xf32>
      return %y : tensor<1x4x18xf32>
    }
    ```
  }];
  let arguments = (ins Variadic<AnyTypeOf<[I8, F32]>>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

#endif // ANYBIT_DIALECT_LOWBIT_IR_LOWBITOPS_TD
