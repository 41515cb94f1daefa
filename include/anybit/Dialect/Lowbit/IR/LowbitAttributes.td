#ifndef ANYBIT_DIALECT_LOWBIT_IR_LOWBITATTRIBUTES_TD
#define ANYBIT_DIALECT_LOWBIT_IR_LOWBITATTRIBUTES_TD

include "anybit/Dialect/Lowbit/IR/LowbitDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "anybit/Dialect/Lowbit/IR/LowbitEnums.td"

def Lowbit_PackedAttr : AttrDef<Lowbit_Dialect, "Packed"> {
  let mnemonic = "packed";
  let summary = "layout of packed weights";
  let description = [{
    Encoding of a rank-1 byte tensor that holds weights in the order of a kernel family: blocks of `columns` outputs, a
    step's values side by side (runtime/include/anybit/weights.h), `bits` of storage a weight, `planes` summands. `taps`
    kernel columns lie in one run. Columns come in fours, in eights where a weight is one bit: the columns of a step
    fill whole words. Only `dot4` and `amx` have 1, 2 or 4 bits, runs of several taps, and (at 8 bits) several planes; `popcount`
    and `table` have the bits of the format, 1 to 8; `real` has 32 bits, `depthwise` 8, 16 or 32. With `pair_steps` = T > 0, products of T
    consecutive steps, summed in pairs of adjacent values, fit int16 for all codes of the input (docs/kernels.md, R9).

    Example: `tensor<2304xi8, #lowbit.packed<dot4, columns = 16, bits = 4, taps = 3, planes = 1>>`.
  }];
  let parameters = (ins EnumParameter<Lowbit_Family>:$family, "unsigned":$columns, "unsigned":$bits, "unsigned":$taps, "unsigned":$planes,
                        DefaultValuedParameter<"unsigned", "0">:$pair_steps);
  let genVerifyDecl = 1;
  let assemblyFormat = "`<` $family `,` `columns` `=` $columns `,` `bits` `=` $bits `,` `taps` `=` $taps `,` `planes` `=` $planes (`,` `pair_steps` `=` $pair_steps^)? `>`";
  let skipDefaultBuilders = 1;
  let builders = [AttrBuilder<(ins "::anybit::lowbit::Family":$family, "unsigned":$columns, "unsigned":$bits,
                                   "unsigned":$taps, "unsigned":$planes, CArg<"unsigned", "0">:$pair_steps), [{
    return $_get($_ctxt, family, columns, bits, taps, planes, pair_steps);
  }]>];
}

def Lowbit_ChoiceAttr : AttrDef<Lowbit_Dialect, "Choice"> {
  let mnemonic = "choice";
  let summary = "how a convolution is to be computed, and why";
  let description = [{
    A kernel family and the registers of columns in a block of its weights, with the reason in words for `anybit
    inspect`. With `bytes`, weights of four and fewer bits are stored as bytes, which costs memory and saves widening
    them. `nanoseconds` is what one thread is expected to take, 0 where nothing was measured: threads share work by it.
    `anybit-pack-weights` takes the choice that an op has as `lowbit.choice`, and else writes its own.

    Examples: `#lowbit.choice<popcount, vectors = 4, nanoseconds = 31000, "popcount:4 0.0310 ms, dot4:2 0.0580 ms (tuned)">`,
    `#lowbit.choice<amx, vectors = 2, bytes = true, "measured">`.
  }];
  let parameters = (ins EnumParameter<Lowbit_Family>:$family, "unsigned":$vectors,
                        DefaultValuedParameter<"bool", "false">:$bytes,
                        DefaultValuedParameter<"int64_t", "0">:$nanoseconds, StringRefParameter<>:$reason);
  let assemblyFormat = "`<` $family `,` `vectors` `=` $vectors `,` (`bytes` `=` $bytes^ `,`)? "
                       "(`nanoseconds` `=` $nanoseconds^ `,`)? $reason `>`";
}

#endif // ANYBIT_DIALECT_LOWBIT_IR_LOWBITATTRIBUTES_TD
