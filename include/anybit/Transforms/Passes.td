#ifndef ANYBIT_TRANSFORMS_PASSES_TD
#define ANYBIT_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def Specialize : Pass<"anybit-specialize", "::mlir::ModuleOp"> {
  let summary = "one function per candidate";
  let description = [{
    Clones `@main` once per candidate and substitutes the candidate's index for the argument marked
    `anybit.candidate`. `anybit-fold-constants` then turns every `msq.select` into its row. A module without candidates
    has one, named `f32` if nothing in it is quantized and `default` otherwise. A module that has functions of candidates
    already (the importer makes them where shapes depend on the candidate) keeps those that are asked for.

    Example: test/lit/Transforms/specialize.mlir.
  }];
  let options = [ListOption<"candidates", "candidates", "std::string", "names to keep, in this order; empty keeps all">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::anybit::msq::MsqDialect"];
}

def FoldConstants : Pass<"anybit-fold-constants", "::mlir::func::FuncOp"> {
  let summary = "partial evaluation on raw bytes";
  let description = [{
    Evaluates everything that has become constant: `msq.select` rows, wavelet synthesis (numerics N3), weight quantizers
    (N2), transposes and elementwise ops. Whole chains are evaluated into buffers; only what a remaining op reads
    becomes an attribute (a resource blob when it is large). `msq.dequantize` of constant codes stays: integerization
    reads the codes. With `masters`, constant codes remember the float16 weights, the band factors and the scales that they
    were made from (attribute `anybit.master`), for the master store.

    Example: test/lit/Transforms/fold-constants.mlir.
  }];
  let options = [Option<"masters", "masters", "bool", "false", "keep what weights were made from">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::anybit::msq::MsqDialect"];
}

def SinkDequantize : Pass<"anybit-sink-dequantize", "::mlir::func::FuncOp"> {
  let summary = "keep data movement on codes";
  let description = [{
    Moves `msq.dequantize` below ops that keep integers (numerics N6): reshapes, transposes, slices, concatenations of
    equal formats, padding with zero, maximum pooling and nearest resampling. Signed activation codes become unsigned
    ones with a zero point, which is the form that kernels read.

    Example: test/lit/Transforms/sink-dequantize.mlir.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::anybit::msq::MsqDialect"];
}

def Integerize : Pass<"anybit-integerize", "::mlir::func::FuncOp"> {
  let summary = "quantized convolutions on integers";
  let description = [{
    Turns (dequantize, convolution, affine chain, residual add, clip, quantizers) into one `lowbit.conv` (numerics N4,
    N5; docs/numerics.md, "Grouping"), activations between two quantizers into tables, and average pools of codes into
    exact sums.

    Example: test/lit/Transforms/integerize.mlir.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::anybit::lowbit::LowbitDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def LowerMsq : Pass<"anybit-lower-msq", "::mlir::func::FuncOp"> {
  let summary = "what stays real";
  let description = [{
    Lowers the `msq` ops that integerization left: real convolutions become `lowbit.conv` with a float32 accumulator,
    batch norms, quantizers, dequantizers and resampling become `linalg.generic`. Pools stay: they have kernels of their own.

    Example: test/lit/Transforms/lower-msq.mlir.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::linalg::LinalgDialect", "::anybit::lowbit::LowbitDialect"];
}

def FuseEpilogues : Pass<"anybit-fuse-epilogues", "::mlir::func::FuncOp"> {
  let summary = "elementwise ops into the epilogue of the convolution before them";
  let description = [{
    Moves an elementwise `linalg.generic` that is the only user of a `lowbit.conv` into its epilogue region. Its other
    operands become parameters: per channel, or per element of the result.

    Example: test/lit/Transforms/fuse-epilogues.mlir.
  }];
  let dependentDialects = ["::anybit::lowbit::LowbitDialect"];
}

def RequantizeThresholds : Pass<"anybit-requantize-thresholds", "::mlir::func::FuncOp"> {
  let summary = "narrow codes as counts of integer thresholds";
  let description = [{
    Rule N5: a `lowbit.round` in the epilogue of a `lowbit.conv` whose operand depends on the accumulator and on constants
    per channel alone, through ops that are each monotone (addition, multiplication by a constant, clips, floor), becomes
    `lowest + #{k : sum >= threshold_k}`. The thresholds, `i32` parameters per channel, come from bisection over every sum
    that the weights and byte codes can make, with the arithmetic of the epilogue itself, so that both forms are equal for
    each sum. A channel whose codes fall while the sum rises compares `sum xor -1`, which falls too. A threshold that no
    sum reaches is one past the greatest. Codes that would need more than `compares` of them keep the float form, which
    costs the same for every width.

    Example: test/lit/Transforms/requantize-thresholds.mlir.
  }];
  let options = [Option<"compares", "compares", "unsigned", "1", "the most compares that are cheaper than the float form">];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

def ReciprocalQuantizers : Pass<"anybit-reciprocal-quantizers", "::mlir::func::FuncOp"> {
  let summary = "quantizers multiply instead of dividing, where that is proved equal";
  let description = [{
    Rule N1: a quantizer rounds `x / scale`. Where nothing but the rounding reads the quotient, it becomes
    `fma(x, h, x * l)`, with `h + l` the reciprocal of the scale to twice the precision (`x * h` where `l` is zero, as for powers of two),
    if both forms give the same code for every `x`: they are monotone, so it is enough that each code's least `x`, found by bisection
    over all floats, is the same. Targets without a fused multiply-add keep the division but for powers of two.

    Example: test/lit/Transforms/reciprocal-quantizers.mlir.
  }];
  let options = [Option<"target", "target", "::anybit::SharedTarget", "::anybit::SharedTarget()",
                        "as `anybit compile --target`; x86-64 if absent">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

def PackWeights : Pass<"anybit-pack-weights", "::mlir::func::FuncOp"> {
  let summary = "kernel family and packed weights for a target";
  let description = [{
    Chooses the kernel family of every `lowbit.conv` and stores its weights in that family's order, with the encoding
    `#lowbit.packed` on their type; adds the initial accumulators and pads per-channel parameters to whole registers.
    The choice is that of the attribute `lowbit.choice`, else the least cost in the measured table of the CPU most like the
    target (docs/kernels.md, "Choice"). With `kernel`, only choices of that family, and of so many registers of columns,
    are considered where a layer has one; with `narrow-weights`, none that stores weights of few bits as bytes.

    Example: test/lit/Transforms/pack-weights.mlir.
  }];
  let options = [Option<"target", "target", "::anybit::SharedTarget", "::anybit::SharedTarget()",
                        "as `anybit compile --target`; x86-64 if absent">,
                 Option<"kernel", "kernel", "std::string", "\"\"", "as `anybit compile --kernel`">,
                 Option<"narrowWeights", "narrow-weights", "bool", "false", "as `anybit compile --narrow-weights`">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::anybit::lowbit::LowbitDialect"];
}

def Plan : Pass<"anybit-plan", "::mlir::ModuleOp"> {
  let summary = "dispatches over one arena";
  let description = [{
    Turns every candidate's function into a `plan.variant`: each op becomes a kernel function and a dispatch, every
    tensor a place in the arena (or a view of another). Kernels and constants with equal text are shared among layers
    and candidates. Convolution inputs lie channels-last inside a halo that holds their padding.

    Example: test/lit/Transforms/plan.mlir.
  }];
  let options = [Option<"target", "target", "::anybit::SharedTarget", "::anybit::SharedTarget()",
                        "as `anybit compile --target`; x86-64 if absent">,
                 Option<"noHalide", "no-halide", "bool", "false", "as `anybit compile --no-halide`">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect", "::anybit::plan::PlanDialect"];
}

#endif // ANYBIT_TRANSFORMS_PASSES_TD
