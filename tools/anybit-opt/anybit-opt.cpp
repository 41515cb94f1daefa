// Runs passes and pipelines on MLIR text or bytecode; for compiler engineers and tests.

#include "anybit/Pipelines/Register.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  anybit::registerAllDialects(registry);
  anybit::registerAllPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "anybit optimizer driver\n", registry));
}
