#include "anybit/Pipelines/Register.h"
#include "anybit/Pipelines/Stages.h"
#include "anybit/Transforms/Passes.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"

namespace anybit {

void registerAllDialects(mlir::DialectRegistry &registry) {
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<msq::MsqDialect, lowbit::LowbitDialect, plan::PlanDialect>();
}

void registerAllPasses() {
  mlir::registerAllPasses();
  registerAnybitTransformsPasses();
  mlir::PassPipelineRegistration<SpecializeStageOptions>("anybit-stage-specialize", "one function per candidate",
                                                         buildSpecializeStage);
  mlir::PassPipelineRegistration<>("anybit-stage-integerize", "quantized groups become integer ops",
                                   buildIntegerizeStage);
  mlir::PassPipelineRegistration<ScheduleStageOptions>("anybit-stage-schedule", "kernel families and packed weights",
                                                     buildScheduleStage);
  mlir::PassPipelineRegistration<TargetStageOptions>("anybit-stage-kernels", "kernels, dispatches, arena",
                                                     buildKernelsStage);
}

} // namespace anybit
