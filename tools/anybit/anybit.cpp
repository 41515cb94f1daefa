// The command line of anybit: quantize, compile, run, bench, inspect, supported-ops.

#include "anybit/Driver/Driver.h"

#include "llvm/Support/InitLLVM.h"

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  return anybit::driverMain(llvm::ArrayRef<const char *>(argv, argc).drop_front(argc > 0 ? 1 : 0));
}
