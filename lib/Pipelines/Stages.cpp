#include "anybit/Pipelines/Stages.h"
#include "anybit/Transforms/Passes.h"

#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace anybit {

void buildSpecializeStage(OpPassManager &pm, const SpecializeStageOptions &options) {
  pm.addPass(createSpecialize(SpecializeOptions{llvm::to_vector(options.candidates)}));
  pm.addNestedPass<func::FuncOp>(createFoldConstants(FoldConstantsOptions{options.masters}));
  // No CSE in front of `integerize`: equal nodes of a file have uses of their own (numerics, "Grouping").
}

void buildIntegerizeStage(OpPassManager &pm) {
  OpPassManager &candidate = pm.nest<func::FuncOp>();
  candidate.addPass(createSinkDequantize());
  candidate.addPass(createFoldConstants()); // weights that have moved to their dequantizers
  candidate.addPass(createIntegerize());
  candidate.addPass(createLowerMsq());
  candidate.addPass(createLinalgElementwiseOpFusionPass());
  candidate.addPass(createFuseEpilogues());
  candidate.addPass(createCSEPass());
}

void buildScheduleStage(OpPassManager &pm, const ScheduleStageOptions &options) {
  pm.addNestedPass<func::FuncOp>(createRequantizeThresholds());
  pm.addNestedPass<func::FuncOp>(createReciprocalQuantizers(ReciprocalQuantizersOptions{options.target}));
  pm.addNestedPass<func::FuncOp>(
      createPackWeights(PackWeightsOptions{options.target, options.kernel, options.narrowWeights}));
}

void buildKernelsStage(OpPassManager &pm, const TargetStageOptions &options) {
  pm.addPass(createPlan(PlanOptions{options.target, options.noHalide}));
}

} // namespace anybit
