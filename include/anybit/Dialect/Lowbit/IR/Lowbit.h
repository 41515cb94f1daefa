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

namespace anybit::lowbit {

/// Whether weights of the family are packed bit by bit (ANYBIT_ORDER_PLANES).
inline bool isInPlanes(Family family) { return family == Family::Popcount || family == Family::Table; }

} // namespace anybit::lowbit

#endif // ANYBIT_DIALECT_LOWBIT_IR_LOWBIT_H
