#ifndef ANYBIT_PIPELINES_REGISTER_H
#define ANYBIT_PIPELINES_REGISTER_H

#include "mlir/IR/DialectRegistry.h"

namespace anybit {

/// Our dialects and the upstream ones that they lower to.
void registerAllDialects(mlir::DialectRegistry &registry);

/// Our passes, the stages as pipelines (`anybit-stage-specialize`, …) and upstream's passes.
void registerAllPasses();

} // namespace anybit

#endif // ANYBIT_PIPELINES_REGISTER_H
