#include "anybit/Pipelines/Compile.h"
#include "anybit/Pipelines/Stages.h"
#include "anybit/Target/CPU/Emit.h"
#include "anybit/abi.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

namespace anybit {

llvm::Error compileLayers(mlir::ModuleOp module, llvm::StringRef target, unsigned optimization, llvm::StringRef path) {
  llvm::Expected<CpuTarget> cpu = parseCpuTarget(target);
  if (!cpu)
    return cpu.takeError();
  SharedTarget shared(*cpu);
  ScheduleStageOptions schedule;
  schedule.target = shared;
  TargetStageOptions kernels;
  kernels.target = shared;
  mlir::PassManager pm(module.getContext());
  buildScheduleStage(pm, schedule);
  buildKernelsStage(pm, kernels);
  if (mlir::failed(pm.run(module)))
    return llvm::createStringError("a layer alone could not be compiled");
  llvm::Expected<cpu::Artifact> artifact =
      cpu::emitObjects(module, {*cpu, optimization, "layer", ANYBIT_MODULE_SYMBOL, "anybit_", /*sharesConstants=*/true});
  return artifact ? cpu::linkSharedLibrary(*artifact, path) : artifact.takeError();
}

} // namespace anybit
