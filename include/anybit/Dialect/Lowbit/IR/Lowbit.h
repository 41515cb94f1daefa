#ifndef ANYBIT_DIALECT_LOWBIT_IR_LOWBIT_H
#define ANYBIT_DIALECT_LOWBIT_IR_LOWBIT_H

#include "anybit/Dialect/Msq/IR/Msq.h"

#include "mlir/Interfaces/ControlFlowInterfaces.h"

#include "anybit/Dialect/Lowbit/IR/LowbitDialect.h.inc"
#include "anybit/Dialect/Lowbit/IR/LowbitEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "anybit/Dialect/Lowbit/IR/LowbitAttributes.h.inc"
#define GET_OP_CLASSES
#include "anybit/Dialect/Lowbit/IR/LowbitOps.h.inc"

#endif // ANYBIT_DIALECT_LOWBIT_IR_LOWBIT_H
