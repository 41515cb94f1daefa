//===- CostData.h - the tables of costs in the compiler ---------*- C++ -*-===//
#ifndef ANYBIT_LIB_TARGET_CPU_COSTDATA_H
#define ANYBIT_LIB_TARGET_CPU_COSTDATA_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace anybit::cpu {

/// The texts of lib/Target/CPU/Costs/*.json, in the order of their names.
llvm::ArrayRef<llvm::StringRef> costData();

} // namespace anybit::cpu

#endif // ANYBIT_LIB_TARGET_CPU_COSTDATA_H
