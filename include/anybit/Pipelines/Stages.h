//===- Stages.h - the stages of the compiler --------------------*- C++ -*-===//
//
// import → specialize → integerize → schedule → kernels → emit (docs/architecture.md). Each stage between import and emit
// is an options struct and one function that builds its passes; the same names are pipelines of anybit-opt.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_PIPELINES_STAGES_H
#define ANYBIT_PIPELINES_STAGES_H

#include "anybit/Target/CPU/SharedTarget.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"

namespace anybit {

struct SpecializeStageOptions : mlir::PassPipelineOptions<SpecializeStageOptions> {
  ListOption<std::string> candidates{*this, "candidates", llvm::cl::desc("names to keep; empty keeps all")};
  Option<bool> masters{*this, "masters", llvm::cl::desc("keep what weights were made from"), llvm::cl::init(false)};
};

struct TargetStageOptions : mlir::PassPipelineOptions<TargetStageOptions> {
  Option<SharedTarget> target{*this, "target", llvm::cl::desc("as `anybit compile --target`; x86-64 if absent")};
  Option<bool> noHalide{*this, "no-halide", llvm::cl::desc("as `anybit compile --no-halide`"), llvm::cl::init(false)};
};

struct ScheduleStageOptions : mlir::PassPipelineOptions<ScheduleStageOptions> {
  Option<SharedTarget> target{*this, "target", llvm::cl::desc("as `anybit compile --target`; x86-64 if absent")};
  Option<std::string> kernel{*this, "kernel", llvm::cl::desc("as `anybit compile --kernel`"), llvm::cl::init("")};
  Option<bool> narrowWeights{*this, "narrow-weights", llvm::cl::desc("as `anybit compile --narrow-weights`"),
                             llvm::cl::init(false)};
};

/// One function per candidate, everything constant folded. In: msq with `msq.select`. Out: msq without.
void buildSpecializeStage(mlir::OpPassManager &pm, const SpecializeStageOptions &options);

/// Quantized groups become integer ops; the rest becomes linalg. In: msq. Out: lowbit, linalg, tensor.
void buildIntegerizeStage(mlir::OpPassManager &pm);

/// Kernel families and packed weights. In: lowbit. Out: lowbit with `#lowbit.packed` weights.
void buildScheduleStage(mlir::OpPassManager &pm, const ScheduleStageOptions &options);

/// Kernels, dispatches, arena. In: lowbit. Out: plan and kernel functions.
void buildKernelsStage(mlir::OpPassManager &pm, const TargetStageOptions &options);

} // namespace anybit

#endif // ANYBIT_PIPELINES_STAGES_H
